import type { TokenLogprob, Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, addText, isObject, type Json } from '../json.ts';
import { interrupted, notUnderstood, type Upstream } from '../upstream-error.ts';
import { isError, upstreamError } from './decode-error.ts';
import { createdAt, isAnswerKey, unknownOfMessage } from './decode-response.ts';
import { decodeToolCall } from './decode-tool-call.ts';
import { dialectName } from './dialect.ts';
import { decodeFinish } from './finish.ts';
import { decodeLogprobs } from './logprobs.ts';
import { decodeUsage } from './usage.ts';

/** Kinds of parts that grow one at a time; a part of another kind ends them. */
type Flow = 'text' | 'reasoning';

const seeds: Readonly<Record<Flow, () => Part>> = {
  text: () => build.textPart(''),
  reasoning: () => build.part({ case: 'reasoning', value: build.reasoning('') }),
};

/** More calls in one answer are nonsense. */
const maxCalls = 4_096;
/** Bound of what is remembered of a stream's unknown members. */
const maxTold = 64;
/** Log probabilities that wait for a text of theirs at most. */
const maxWaiting = 65_536;

/**
 * Turns the lines of a stream into events with an explicit life cycle. The answer is complete with the line that says `done`;
 * a stream that ends without it is an interruption, and nothing is invented to hide it.
 */
export class ChatStreamDecoder {
  readonly #provider: string;
  readonly #id = completionId(undefined);
  #started = false;
  #finished = false;
  #flow: Flow | null = null;
  #part = 0;
  /** Number of the next part. */
  #next = 0;
  #calls = 0;
  /** Ids of the calls so far: a server that says a call again in its last line means the same one. */
  readonly #callIds = new Set<string>();
  /** Of tokens whose text has not come yet: Ollama holds text back while it may be markup. */
  #waiting: TokenLogprob[] = [];
  /** Unknown simple members that have been told of; they are told again when they change. */
  readonly #told = new Map<string, unknown>();

  constructor({ provider }: Upstream) {
    this.#provider = provider;
  }

  /**
   * Takes one line and appends the events that it stands for.
   * @throws GatewayError when it is an error of Ollama's, or nothing that can be understood
   */
  push(line: string, out: StreamEvent[]): void {
    if (this.#finished) return;
    const json = this.#parse(line);
    if (isError(json)) throw upstreamError(this.#provider, json, 200);
    if (!this.#started) this.#start(json, out);
    const message = isObject(json['message']) ? json['message'] : {};
    const before = out.length;
    this.#say(message, out);
    this.#addLogprobs(json['logprobs'], before, out);
    this.#keepUnknown(json, message, out);
    if (json['done'] === true) this.#finish(json, out);
  }

  /** Takes the end of the body. @throws GatewayError when the answer is not complete */
  end(_out: StreamEvent[]): void {
    if (!this.#finished) throw interrupted(this.#provider, 'ended before the answer was complete');
  }

  #parse(line: string): Json {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch {
      throw notUnderstood(this.#provider, 'a line is not valid JSON');
    }
    if (!isObject(json)) throw notUnderstood(this.#provider, 'a line is not an object');
    if (isError(json) || isObject(json['message']) || json['done'] === true) return json;
    throw notUnderstood(this.#provider, 'a line has no message');
  }

  #start(json: Json, out: StreamEvent[]): void {
    this.#started = true;
    const { model } = json;
    out.push(
      buildEvent.started(this.#id, typeof model === 'string' ? model : '', createdAt(json['created_at'])),
    );
  }

  #say({ thinking, content, tool_calls: calls }: Json, out: StreamEvent[]): void {
    if (typeof thinking === 'string' && thinking !== '') this.#grow('reasoning', thinking, out);
    if (typeof content === 'string' && content !== '') this.#grow('text', content, out);
    if (Array.isArray(calls)) for (const call of calls) this.#call(call, out);
  }

  #grow(flow: Flow, text: string, out: StreamEvent[]): void {
    this.#open(flow, out);
    out.push(buildEvent.delta(0, this.#part, text));
  }

  #open(flow: Flow, out: StreamEvent[]): void {
    if (this.#flow === flow) return;
    this.#close(out);
    this.#flow = flow;
    this.#part = this.#next++;
    out.push(buildEvent.partStarted(0, this.#part, seeds[flow]()));
  }

  #close(out: StreamEvent[]): void {
    if (this.#flow === null) return;
    this.#flow = null;
    out.push(buildEvent.partEnded(0, this.#part));
  }

  /** A call comes whole. */
  #call(json: unknown, out: StreamEvent[]): void {
    const given = isObject(json) ? json['id'] : undefined;
    if (this.#calls >= maxCalls || (typeof given === 'string' && this.#callIds.has(given))) return;
    const part = decodeToolCall(json, this.#calls, (call) => callId(this.#id, 0, call), this.#provider);
    if (part.content.case !== 'toolCall') return;
    const { value } = part.content;
    this.#callIds.add(value.id);
    this.#calls++;
    this.#close(out);
    const number = this.#next++;
    const seed: Part = { ...part, content: { case: 'toolCall', value: { ...value, arguments: '' } } };
    out.push(buildEvent.partStarted(0, number, seed), buildEvent.delta(0, number, value.arguments));
    out.push(buildEvent.partEnded(0, number));
  }

  /** They belong to the text of their line; where it has none, to the next. */
  #addLogprobs(list: unknown, before: number, out: StreamEvent[]): void {
    const tokens = decodeLogprobs(list);
    if (tokens.length === 0 && this.#waiting.length === 0) return;
    const room = maxWaiting - this.#waiting.length;
    const all = this.#waiting.length === 0 ? tokens : [...this.#waiting, ...tokens.slice(0, room)];
    for (let i = before; i < out.length; i++) {
      const { event } = out[i] as StreamEvent;
      if (event.case !== 'delta') continue;
      event.value.logprobs = { $typeName: 'llmgateway.v1.Logprobs', content: all, refusal: [] };
      this.#waiting = [];
      return;
    }
    this.#waiting = all;
  }

  /** Tells of members that no other event carries; of simple ones once, since they are the same in every line. */
  #keepUnknown(json: Json, message: Json, out: StreamEvent[]): void {
    let unknown = '';
    for (const key in json) {
      if (!isAnswerKey(key) && this.#isNews(key, json[key])) unknown = addMember(unknown, key, json[key]);
    }
    const said = unknownOfMessage(message);
    if (said !== '') unknown = addText(unknown, 'message', `{${said}}`);
    if (unknown !== '') out.push(buildEvent.opaqueEvent(dialectName, `{${unknown}}`));
  }

  #isNews(key: string, value: unknown): boolean {
    if (value === null) return false;
    if (typeof value === 'object') return true;
    if (this.#told.get(key) === value) return false;
    if (this.#told.size < maxTold) this.#told.set(key, value);
    return true;
  }

  #finish(json: Json, out: StreamEvent[]): void {
    this.#finished = true;
    if (this.#waiting.length > 0) {
      this.#open('text', out);
      const logprobs = { $typeName: 'llmgateway.v1.Logprobs' as const, content: this.#waiting, refusal: [] };
      out.push(buildEvent.delta(0, this.#part, '', { logprobs }));
    }
    this.#close(out);
    const { reason, native } = decodeFinish(json['done_reason'], this.#calls > 0);
    const used: Usage | undefined = decodeUsage(json);
    out.push(buildEvent.choiceFinished(0, reason, native), buildEvent.finished(used));
  }
}
