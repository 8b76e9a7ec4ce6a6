import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Response, ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { afterCall, type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
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
  /** Whether another gateway shall begin it anew when this one has to stop. */
  readonly movesOn: boolean;
}

/**
 * Makes a response of an answer: events for the client, each in the log before anyone hears of it, so that what was heard can be gone on
 * from on every gateway. It is pulled by its client; without one it pulls itself, where it is to go on.
 */
export class ResponseRun implements ResponseEventStream {
  readonly #parts: RunParts;
  /** What comes next, before the answer is asked for more. */
  #ready: ResponseEvent[] = [];
  /** The first events on their way into the log; null when they have been told. */
  #begun: Promise<void> | null;
  /** The step under way: there is one at a time. */
  #step: Promise<void> | null = null;
  /** The end under way, when it does not come of a step. */
  #ending: Promise<void> | null = null;
  /** What the stream fails with: nobody can say what became of the response. */
  #broken: GatewayError | null = null;
  #over = false;
  #left = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#begun = parts.keeper?.add(parts.begun) ?? Promise.resolve();
    // What goes wrong with it shows with the first step.
    this.#begun.catch(() => {});
  }

  async next(): Promise<IteratorResult<readonly ResponseEvent[], undefined>> {
    while (this.#ready.length === 0) {
      if (this.#over) {
        await this.#ending;
        if (this.#ready.length > 0) break;
        const broken = this.#broken;
        this.#broken = null;
        if (broken !== null) throw afterCall(broken);
        return endOfResponse;
      }
      await this.#advance();
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
      await this.#advance();
    }
    await this.#ending;
    return this.#parts.lifeCycle.response;
  }

  /** Stops the work: the response is cancelled, with what there is of it. */
  async cancel(): Promise<void> {
    // What is being completed is.
    if (this.#parts.lifeCycle.over && !this.#over) return this.#step ?? undefined;
    await this.#endBy((out) => this.#parts.lifeCycle.cancel(out), null);
  }

  /** Stops the work at a response that is not there any more, or is another's. */
  async abandon(error: GatewayError): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#broken = error;
    const { answer, keeper, onOver } = this.#parts;
    keeper?.release();
    await answer.return().catch(() => {});
    onOver(error);
  }

  #advance(): Promise<void> {
    this.#step ??= this.#take().finally(() => {
      this.#step = null;
    });
    return this.#step;
  }

  async #take(): Promise<void> {
    const { lifeCycle, answer, keeper, begun } = this.#parts;
    const out: ResponseEvent[] = [];
    try {
      if (this.#begun !== null) {
        out.push(...begun);
        const told = this.#begun;
        this.#begun = null;
        await told;
      } else {
        const result = await answer.next();
        if (this.#over) return;
        if (result.done) throw new Error('an answer ended without its end');
        lifeCycle.add(result.value, out);
        if (lifeCycle.over) await this.#complete(out);
        else await keeper?.add(out);
      }
      this.#ready.push(...out);
    } catch (error) {
      if (this.#over) return;
      if (lifeCycle.over) {
        out.pop();
        lifeCycle.retract();
      }
      await this.#fail(toGatewayError(error), out);
    }
  }

  /** All has been said: it counts once it is stored. */
  async #complete(out: ResponseEvent[]): Promise<void> {
    const { lifeCycle, answer, keeper, beforeEnd, onOver } = this.#parts;
    await beforeEnd(lifeCycle.response);
    await keeper?.end(out, lifeCycle.response, true);
    this.#over = true;
    onOver(null);
    // Whoever holds something until the answer's stream is over learns of it only so.
    answer.next().catch(() => {});
  }

  /** @param untold what was made and not told yet */
  #fail(error: GatewayError, untold: readonly ResponseEvent[]): Promise<void> {
    const { lifeCycle, keeper, requestId, movesOn } = this.#parts;
    const { reason } = error;
    if (reason === ErrorReason.CANCELLED) return this.#endBy((out) => lifeCycle.cancel(out), error, untold);
    if (reason === ErrorReason.DRAINING && movesOn && keeper !== null) {
      return keeper.giveBack().then(() => this.abandon(error));
    }
    // One that has become too large does not need to be larger still.
    const withOutput = reason !== ErrorReason.REQUEST_TOO_LARGE;
    const detail = error.detail(requestId);
    return this.#endBy((out) => lifeCycle.fail(detail, error.rawMessage, out, withOutput), error, untold);
  }

  /** @param make makes the last event @param untold what comes before it */
  async #endBy(
    make: (out: ResponseEvent[]) => void,
    error: GatewayError | null,
    untold: readonly ResponseEvent[] = [],
  ): Promise<void> {
    if (this.#over) return this.#ending ?? undefined;
    this.#over = true;
    this.#ending = this.#stop(make, error, untold);
    await this.#ending;
  }

  async #stop(
    make: (out: ResponseEvent[]) => void,
    error: GatewayError | null,
    untold: readonly ResponseEvent[],
  ): Promise<void> {
    const { lifeCycle, answer, keeper, onOver } = this.#parts;
    await answer.return().catch(() => {});
    const out: ResponseEvent[] = [];
    make(out);
    try {
      await keeper?.end(out, lifeCycle.response, false);
      this.#ready.push(...untold, ...out);
    } catch (cause) {
      // What becomes of it in the store nobody knows: it is not told.
      this.#broken = toGatewayError(cause);
    }
    onOver(error);
  }
}
