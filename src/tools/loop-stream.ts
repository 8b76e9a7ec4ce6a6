import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Message, ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import type { OpaqueReader } from '../model/assemble.ts';
import { type EventStream, endOfEvents, type StreamEvent } from '../model/events.ts';
import { sumUsage } from '../model/sum-usage.ts';
import type { ToolLoop } from './loop.ts';
import { RoundEvents, toolFinished, toolStarted } from './loop-events.ts';

/** What a streamed answer with rounds is made with. */
export interface LoopStreamOptions {
  readonly loop: ToolLoop;
  /** The first answer. */
  readonly events: EventStream;
  /** Told after the answer's beginning: tools that were run before it. */
  readonly early: readonly StreamEvent[];
  readonly readOpaque: OpaqueReader;
  /** Asks the model again. */
  readonly ask: () => Promise<EventStream>;
  /** Runs calls, and counts the round. */
  readonly run: (
    calls: readonly ToolCall[],
    onDone: (result: Message, durationMs: number) => void,
  ) => Promise<Message[]>;
  /** Told that there are calls which are not run any more. */
  readonly exhausted: () => void;
  /** Takes the last answer, whole, with the results of the gateway's calls in it; before the client learns that it has ended. */
  readonly ended: (answer: Message | undefined, results: readonly Message[]) => Promise<unknown> | null;
  /** Called once, when nothing comes any more. @param left nobody wants the rest */
  readonly over: (left: boolean) => void;
}

/** Tools that run while the client is told of them. */
class Running {
  readonly answer: Message;
  readonly last: boolean;
  readonly results: Promise<Message[]>;
  settled = false;
  #events: StreamEvent[] = [];
  #wake: () => void = () => {};

  constructor(
    answer: Message,
    last: boolean,
    start: (push: (event: StreamEvent) => void) => Promise<Message[]>,
  ) {
    this.answer = answer;
    this.last = last;
    this.results = start((event) => {
      this.#events.push(event);
      this.#wake();
    });
    const settle = (): void => {
      this.settled = true;
      this.#wake();
    };
    this.results.then(settle, settle);
  }

  /** The events that came since; empty when all have ended. */
  async events(): Promise<StreamEvent[]> {
    while (this.#events.length === 0 && !this.settled) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const events = this.#events;
    this.#events = [];
    return events;
  }
}

/** Several answers and the tools between them as one stream. */
export class LoopStream implements EventStream {
  readonly #options: LoopStreamOptions;
  #events: EventStream;
  #round: RoundEvents;
  #running: Running | null = null;
  #early: readonly StreamEvent[];
  #usage: Usage | undefined;
  #over = false;

  constructor(options: LoopStreamOptions) {
    this.#options = options;
    this.#events = options.events;
    this.#early = options.early;
    this.#round = this.#newRound(true, 0);
  }

  async next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    try {
      while (!this.#over) {
        const batch = this.#running === null ? await this.#pull() : await this.#wait(this.#running);
        if (batch.length > 0) return { done: false, value: batch };
      }
    } catch (error) {
      this.#end(false);
      throw error;
    }
    return endOfEvents();
  }

  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    this.#end(true);
    return this.#events.return();
  }

  #newRound(first: boolean, nextPart: number): RoundEvents {
    const { loop, readOpaque } = this.#options;
    const { mayRun } = loop;
    const withholds = (call: ToolCall): boolean => mayRun && loop.isGateways(call);
    return new RoundEvents({ first, nextPart, withholds, readOpaque });
  }

  async #pull(): Promise<StreamEvent[]> {
    const result = await this.#events.next();
    if (result.done) {
      this.#end(false);
      return [];
    }
    const out = this.#round.take(result.value);
    if (this.#early.length > 0 && out[0]?.event.case === 'started') {
      out.splice(1, 0, ...this.#early);
      this.#early = [];
    }
    if (this.#round.finished !== null) await this.#answered(out);
    return out;
  }

  /** An answer is there: either it is the last, or its calls are run. */
  async #answered(out: StreamEvent[]): Promise<void> {
    const { loop, run, exhausted } = this.#options;
    const answer = this.#round.message;
    const decision = loop.decide(answer, this.#round.finishReason);
    if (decision.exhausted) exhausted();
    if (answer === undefined || decision.run.length === 0) {
      out.push(...this.#round.withheld());
      await this.#finish(answer, [], out);
      return;
    }
    const round = loop.rounds + 1;
    for (const call of decision.run) out.push(toolStarted(round, call));
    this.#running = new Running(answer, decision.last, (push) =>
      run(decision.run, (result, durationMs) => push(toolFinished(round, result, durationMs))),
    );
  }

  async #wait(running: Running): Promise<StreamEvent[]> {
    const events = await running.events();
    if (events.length > 0) return events;
    const results = await running.results;
    this.#running = null;
    if (running.last) {
      const out: StreamEvent[] = [];
      await this.#finish(running.answer, results, out);
      return out;
    }
    const { loop, ask } = this.#options;
    loop.ran(running.answer, results);
    this.#usage = sumUsage(this.#usage, this.#round.finished?.usage);
    this.#round = this.#newRound(false, this.#round.nextPart);
    this.#events = await ask();
    if (this.#over) await this.#events.return();
    return [];
  }

  async #finish(answer: Message | undefined, results: readonly Message[], out: StreamEvent[]): Promise<void> {
    const { finished } = this.#round;
    out.push(...this.#round.held());
    if (finished === null) return;
    const usage = sumUsage(this.#usage, finished.usage);
    const kept = this.#options.ended(answer, results);
    if (kept !== null) await kept;
    out.push({
      $typeName: 'llmgateway.v1.StreamChatCompletionResponse',
      event: { case: 'finished', value: usage === undefined ? finished : { ...finished, usage } },
    });
    this.#end(false);
  }

  #end(left: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.over(left);
  }
}
