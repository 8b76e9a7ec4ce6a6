import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { type ToolChoice, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import type { Message, ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../model/build.ts';
import { callsOf, isGateways, type Ownership, textOf, withoutCalls } from './loop-calls.ts';
import type { History } from './loop-history.ts';
import type { HiddenTurn } from './turn-memory.ts';

export interface LoopOptions extends Ownership {
  readonly request: CreateChatCompletionRequest;
  readonly history: History;
  /** Rounds after the first answer. */
  readonly maxRounds: number;
  /** The client lets each call run by itself. */
  readonly approval: boolean;
}

/** What follows from an answer. */
export interface Decision {
  /** The gateway's calls to run now. */
  readonly run: readonly ToolCall[];
  /** It is the last: afterwards the client is answered, because it has calls to answer itself or there are none to run. */
  readonly last: boolean;
  /** There are calls to run, but it was done too often. */
  readonly exhausted: boolean;
}

const final: Decision = { run: [], last: true, exhausted: false };

/** The conversation of one call with its rounds: what the model is asked next, and what came of it. */
export class ToolLoop {
  readonly #options: LoopOptions;
  /** The conversation before the first answer. */
  #asked: readonly Message[];
  #approved: readonly Message[] = [];
  /** Turns that were the gateway's alone, each followed by its results. */
  readonly #turns: Message[] = [];
  #rounds = 0;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#asked = options.history.messages;
  }

  /** Rounds that were begun. */
  get rounds(): number {
    return this.#rounds;
  }

  /** Whether calls of an answer that comes now would be run. */
  get mayRun(): boolean {
    return !this.#options.approval && this.#rounds < this.#options.maxRounds;
  }

  isGateways(call: ToolCall): boolean {
    return isGateways(call, this.#options);
  }

  /** A round begins: calls are run. */
  begin(): void {
    this.#rounds++;
  }

  /** Takes the results of the calls that were approved. */
  approved(results: readonly Message[]): void {
    this.#approved = results;
    this.#asked = this.#asked.toSpliced(this.#options.history.resultsAt, 0, ...results);
  }

  /** What the model is asked now. A tool that has to be called was, or the conversation would never end. */
  request(): CreateChatCompletionRequest {
    const { request } = this.#options;
    const messages = [...this.#asked, ...this.#turns];
    if (request.toolChoice === undefined || this.#turns.length === 0) return { ...request, messages };
    return { ...request, messages, toolChoice: relaxed(request.toolChoice) };
  }

  decide(answer: Message | undefined, finishReason: FinishReason): Decision {
    const { approval } = this.#options;
    if (answer === undefined || finishReason !== FinishReason.TOOL_CALLS || approval) return final;
    const calls = callsOf(answer);
    const run = calls.filter((call) => this.isGateways(call));
    if (run.length === 0) return final;
    if (!this.mayRun) return { ...final, exhausted: true };
    return { run, last: run.length < calls.length, exhausted: false };
  }

  /** Takes a turn that was the gateway's alone, with its results: the model is asked again. */
  ran(answer: Message, results: readonly Message[]): void {
    this.#turns.push(answer, ...results);
  }

  /** All that came before the last answer: results of approved calls, then turns. */
  get before(): Message[] {
    return [...this.#approved, ...this.#turns];
  }

  /**
   * What a session keeps of the call.
   * @param answer the last one, whole
   * @param results those of the gateway's calls in it
   */
  kept(answer: Message | undefined, results: readonly Message[]): Message[] {
    const asked = this.#asked.slice(this.#options.history.sessions);
    const said = answer !== undefined && (answer.parts.length > 0 || answer.extras !== undefined);
    return [...asked, ...this.#turns, ...(said ? [answer, ...results] : [])];
  }

  /** The client's share of a turn in which the gateway has calls, too. */
  shown(answer: Message): Message {
    return withoutCalls(answer, (call) => this.isGateways(call));
  }

  /** What a client that gets its share of the last answer does not know. @param streamed it got the texts of all rounds */
  hidden(answer: Message, results: readonly Message[], streamed: boolean): HiddenTurn {
    const given = (streamed ? this.#turns.map(textOf).join('') : '') + textOf(answer);
    return { before: this.#turns, message: answer, given, results };
  }
}

function relaxed(choice: ToolChoice): ToolChoice {
  switch (choice.mode) {
    case ToolChoice_Mode.REQUIRED:
    case ToolChoice_Mode.NAMED:
      return build.toolChoice(ToolChoice_Mode.AUTO);
    case ToolChoice_Mode.ALLOWED:
      return { ...choice, allowedRequired: false };
    default:
      return choice;
  }
}
