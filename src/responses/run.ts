import type { Response, ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { GatewayError } from '../errors/gateway-error.ts';
import { toGatewayError } from '../errors/gateway-error.ts';
import type { EventStream } from '../model/events.ts';
import { endOfResponse, type ResponseEventStream } from './event-stream.ts';
import type { Keeper } from './keeper.ts';
import type { LifeCycle } from './life-cycle.ts';

export interface RunParts {
  readonly lifeCycle: LifeCycle;
  /** The model's answer. */
  readonly answer: EventStream;
  /** Id of the request, for errors. */
  readonly requestId: string;
  /** Where it is stored; null when it is not. */
  readonly keeper: Keeper | null;
  /** Events that were made before the answer began. */
  readonly begun: readonly ResponseEvent[];
  /** Does what has to be done before the response may be said to be complete: the conversation is added to. */
  readonly beforeEnd: (response: Response) => Promise<void>;
  /** Called once, when nothing more happens. */
  readonly onOver: (error: GatewayError | null) => void;
  /** Whether it goes on when its client has left. */
  readonly survives: boolean;
}

/**
 * Makes a response of an answer: events for the client, each in the log first or at the same time; the end is in the store before anyone
 * hears of it. It is pulled by its client; without one it pulls itself, where it is to go on.
 */
export class ResponseRun implements ResponseEventStream {
  readonly #parts: RunParts;
  /** What comes next, before the answer is asked for more. */
  #ready: ResponseEvent[];
  #over = false;
  #left = false;
  #stopped = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#ready = [...parts.begun];
    // What goes wrong with it shows with the next events.
    parts.keeper?.add(parts.begun).catch(() => {});
  }

  async next(): Promise<IteratorResult<readonly ResponseEvent[], undefined>> {
    if (this.#over && this.#ready.length === 0) return endOfResponse;
    while (this.#ready.length === 0) {
      await this.#step();
      if (this.#over && this.#ready.length === 0) return endOfResponse;
    }
    const value = this.#ready;
    this.#ready = [];
    return { done: false, value };
  }

  /** The client has left: the work ends, or goes on by itself. */
  async return(): Promise<IteratorResult<readonly ResponseEvent[], undefined>> {
    if (this.#over || this.#left) return endOfResponse;
    this.#left = true;
    if (this.#parts.survives) void this.finish();
    else await this.cancel();
    return endOfResponse;
  }

  /** Goes on to the end by itself. Never rejects. @returns the response as it is then */
  async finish(): Promise<Response> {
    while (!this.#over) {
      this.#ready = [];
      await this.#step();
    }
    return this.#parts.lifeCycle.response;
  }

  async #step(): Promise<void> {
    const { lifeCycle, answer, keeper } = this.#parts;
    const out: ResponseEvent[] = [];
    try {
      const result = await answer.next();
      if (this.#over) return;
      if (result.done) throw new Error('an answer ended without its end');
      lifeCycle.add(result.value, out);
      if (lifeCycle.over) await this.#end(out);
      else if (keeper !== null) await keeper.add(out);
      if (this.#stopped) return;
      this.#ready.push(...out);
    } catch (error) {
      if (!this.#over) await this.#fail(toGatewayError(error), out);
    }
  }

  /** All has been said: it counts once it is stored. */
  async #end(out: ResponseEvent[]): Promise<void> {
    const { lifeCycle, answer, keeper, beforeEnd, onOver } = this.#parts;
    await beforeEnd(lifeCycle.response);
    await keeper?.end(out, lifeCycle.response);
    this.#over = true;
    onOver(null);
    // Whoever holds something until the answer's stream is over learns of it only so.
    answer.next().catch(() => {});
  }

  /** @param out what was made and not handed on; a terminal event in it did not come true */
  async #fail(error: GatewayError, out: ResponseEvent[]): Promise<void> {
    const { lifeCycle, answer, keeper, requestId, onOver } = this.#parts;
    this.#over = true;
    if (lifeCycle.over) {
      out.pop();
      lifeCycle.retract();
    }
    lifeCycle.fail(error.detail(requestId), error.rawMessage, out);
    this.#ready.push(...out);
    await answer.return().catch(() => {});
    // It stays in the store as far as that is possible; else its lease runs out.
    await keeper?.end(out, lifeCycle.response).catch(() => keeper.release());
    onOver(error);
  }

  /** Stops the work: the response is cancelled, with what there is of it. */
  async cancel(): Promise<void> {
    if (this.#over) return;
    this.#stopped = true;
    const { lifeCycle, answer, keeper, onOver } = this.#parts;
    this.#over = true;
    const out: ResponseEvent[] = [];
    lifeCycle.cancel(out);
    this.#ready = [];
    await answer.return().catch(() => {});
    await keeper?.end(out, lifeCycle.response).catch(() => keeper.release());
    onOver(null);
  }
}
