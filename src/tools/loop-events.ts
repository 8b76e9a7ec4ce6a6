import type { StreamFinished } from '../../gen/llmgateway/v1/completion_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Message, ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import { Assembler, type OpaqueReader } from '../model/assemble.ts';
import type { StreamEvent } from '../model/events.ts';

export const toolStarted = (round: number, call: ToolCall): StreamEvent => ({
  $typeName: 'llmgateway.v1.StreamChatCompletionResponse',
  event: {
    case: 'toolExecutionStarted',
    // The event is the client's; what the model said stays as it is.
    value: { $typeName: 'llmgateway.v1.ToolExecutionStarted', round, call: { ...call } },
  },
});

/** @param message of ROLE_TOOL, with one result */
export function toolFinished(round: number, message: Message, durationMs: number): StreamEvent {
  const content = message.parts[0]?.content;
  return {
    $typeName: 'llmgateway.v1.StreamChatCompletionResponse',
    event: {
      case: 'toolExecutionFinished',
      value: {
        $typeName: 'llmgateway.v1.ToolExecutionFinished',
        round,
        ...(content?.case === 'toolResult' ? { result: structuredClone(content.value) } : {}),
        durationMs: Math.round(durationMs),
      },
    },
  };
}

export interface RoundOptions {
  /** No round came before it. */
  readonly first: boolean;
  /** Number of its first part, in the stream that the client sees. */
  readonly nextPart: number;
  /** Calls that the client must not see, because the gateway runs them. */
  readonly withholds: (call: ToolCall) => boolean;
  readonly readOpaque: OpaqueReader;
}

type Passing = Extract<StreamEvent['event'], { case: 'partStarted' | 'delta' | 'partEnded' }>;

/**
 * The events of one answer within a stream of several: parts are numbered on, the gateway's calls are left out, and what ends the
 * answer waits until it is known whether it is the last.
 */
export class RoundEvents {
  readonly #options: RoundOptions;
  readonly #assembler: Assembler;
  /** Numbers that the client sees, by the answer's own; -1 for what is left out. */
  readonly #numbers: number[] = [];
  #next: number;
  #withheld: { readonly event: Passing; readonly part: number }[] = [];
  #held: StreamEvent[] = [];
  #finished: StreamFinished | null = null;
  finishReason = FinishReason.UNSPECIFIED;

  constructor(options: RoundOptions) {
    this.#options = options;
    this.#assembler = new Assembler(options.readOpaque);
    this.#next = options.nextPart;
  }

  /** How the answer ended; null as long as it has not. */
  get finished(): StreamFinished | null {
    return this.#finished;
  }

  /** Number of the next part that the client sees. */
  get nextPart(): number {
    return this.#next;
  }

  /** The answer as the model made it. */
  get message(): Message | undefined {
    return this.#assembler.message(0);
  }

  /** @returns what the client sees of the batch now */
  take(batch: readonly StreamEvent[]): StreamEvent[] {
    this.#assembler.add(batch);
    const out: StreamEvent[] = [];
    for (let i = 0; i < batch.length; i++) this.#take(batch[i] as StreamEvent, out);
    return out;
  }

  /** What was left out of an answer whose calls are not run after all. */
  withheld(): StreamEvent[] {
    const out: StreamEvent[] = [];
    for (const { event, part } of this.#withheld) {
      if (event.case === 'partStarted') this.#numbers[part] = this.#next++;
      out.push(numbered(event, this.#numbers[part] ?? part));
    }
    this.#withheld = [];
    return out;
  }

  /** What waited for the answer to be the last. */
  held(): StreamEvent[] {
    const out = this.#held;
    this.#held = [];
    return out;
  }

  #take(all: StreamEvent, out: StreamEvent[]): void {
    const { event } = all;
    switch (event.case) {
      case 'partStarted':
      case 'delta':
      case 'partEnded':
        if (event.value.choice === 0) this.#part(all, event, out);
        else out.push(all);
        return;
      case 'started':
        if (this.#options.first) out.push(all);
        return;
      case 'choiceFinished':
        if (event.value.choice === 0) this.finishReason = event.value.finishReason;
        this.#end(all, out);
        return;
      case 'opaque':
        // A later answer's beginning has no place in the stream that has begun.
        if (this.#options.first || this.#numbers.length > 0) this.#end(all, out);
        return;
      case 'finished':
        this.#finished = event.value;
        return;
      default:
        out.push(all);
    }
  }

  /** Where calls are left out the answer may not be the last, and then nobody is told how it ended. */
  #end(event: StreamEvent, out: StreamEvent[]): void {
    (this.#numbers.includes(-1) ? this.#held : out).push(event);
  }

  #part(all: StreamEvent, event: Passing, out: StreamEvent[]): void {
    const { part } = event.value;
    if (event.case === 'partStarted') {
      const content = event.value.content?.content;
      const left = content?.case === 'toolCall' && this.#options.withholds(content.value);
      this.#numbers[part] = left ? -1 : this.#next++;
    }
    const number = this.#numbers[part];
    if (number === undefined) return;
    if (number < 0) this.#withheld.push({ event, part });
    else out.push(number === part ? all : numbered(event, number));
  }
}

/** The same event of another part. Others see the original as well, so this is a copy. */
const numbered = (event: Passing, part: number): StreamEvent => ({
  $typeName: 'llmgateway.v1.StreamChatCompletionResponse',
  event: { case: event.case, value: { ...event.value, part } } as Passing,
});
