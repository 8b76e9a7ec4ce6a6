import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, addText, isObject, type Json } from '../json.ts';
import { interrupted, notUnderstood, type Upstream } from '../upstream-error.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { decodeStopReason } from './decode-stop-reason.ts';
import { type AnswerParts, leftover, type OpenBlock, openBlock } from './decode-stream-block.ts';
import { decodeUsage, mergeUsage } from './decode-usage.ts';
import { dialectName } from './dialect.ts';

/** More blocks in one answer are nonsense. */
const maxBlocks = 10_000;

/** Blocks that a delta begins by itself, where nothing has told of its block. */
const seeds: ReadonlyMap<unknown, Json> = new Map([
  ['text_delta', { type: 'text', text: '' }],
  ['thinking_delta', { type: 'thinking', thinking: '' }],
]);

/**
 * Turns the events of a stream into those of the model. The answer is complete with `message_stop`; a body that ends without it
 * is an interruption, and nothing is invented to hide it.
 *
 * `message_start` is told of together with what follows it, so that an error that comes right after it, as it does when Anthropic
 * is overloaded, comes before any event.
 */
export class MessagesStreamDecoder {
  readonly #provider: string;
  readonly #open = new Map<number, OpenBlock>();
  readonly #parts: AnswerParts;
  #id = '';
  /** The message as it began, until it is told of; undefined before it begins. */
  #message: Json | null | undefined;
  #usage: Json = {};
  #stopReason: unknown = null;
  /** Members of the last frames that have no event. */
  #endDelta: Json = {};
  #endMembers: Json = {};
  #finished = false;

  constructor({ provider }: Upstream) {
    this.#provider = provider;
    this.#parts = { next: 0, called: false, idOf: (part) => callId(this.#id, 0, part) };
  }

  /**
   * Takes the data of one SSE event and appends the events that it stands for.
   * @throws GatewayError when it is an error of the provider's, or no event
   */
  push(data: string, out: StreamEvent[]): void {
    // Some servers of this form end like those of OpenAI's.
    if (this.#finished || data === '[DONE]') return;
    this.pushJson(this.#parse(data), out);
  }

  /** The same with an event that has been parsed already. */
  pushJson(json: Json, out: StreamEvent[]): void {
    if (this.#finished) return;
    const error = errorIn(json);
    if (error !== undefined) throw upstreamError(this.#provider, error, 200);
    try {
      this.#take(json, out);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw notUnderstood(this.#provider, 'a block is too large');
    }
  }

  /** Takes the end of the body. @throws GatewayError when the answer is not complete */
  end(_out: StreamEvent[]): void {
    if (!this.#finished) throw interrupted(this.#provider, 'ended before the answer was complete');
  }

  /** See EventStream. The message begins with what was read, and says what was written once it stops. */
  usageSoFar(): Usage | undefined {
    const used = decodeUsage(this.#usage);
    if (used !== undefined && this.#stopReason === null) used.estimated = true;
    return used;
  }

  #take(json: Json, out: StreamEvent[]): void {
    const { type, index } = json;
    switch (type) {
      case 'ping':
        return;
      case 'message_start':
        this.#begin(json);
        return;
      case 'content_block_start':
        this.#start(out);
        this.#openBlock(numberOf(index), json['content_block'], out);
        return;
      case 'content_block_delta':
        this.#start(out);
        this.#delta(numberOf(index), json['delta'], out);
        return;
      case 'content_block_stop':
        this.#close(numberOf(index), out);
        return;
      case 'message_delta':
        this.#start(out);
        this.#end(json);
        return;
      case 'message_stop':
        this.#start(out);
        this.#finish(json, out);
        return;
      default:
        if (typeof type !== 'string') return;
        this.#start(out);
        out.push(buildEvent.opaqueEvent(dialectName, JSON.stringify(json)));
    }
  }

  #parse(data: string): Json {
    let json: unknown;
    try {
      json = JSON.parse(data);
    } catch {
      throw notUnderstood(this.#provider, 'an event is not valid JSON');
    }
    if (!isObject(json)) throw notUnderstood(this.#provider, 'an event is not an object');
    return json;
  }

  #begin({ message }: Json): void {
    if (this.#message !== undefined) return;
    this.#message = isObject(message) ? message : {};
    const { usage } = this.#message;
    if (isObject(usage)) this.#usage = usage;
  }

  /** Tells of the beginning, once: the message's identity, and with it what of its first frame has no event. */
  #start(out: StreamEvent[]): void {
    if (this.#message === null) return;
    const message = this.#message ?? {};
    this.#message = null;
    this.#id = completionId(message['id']);
    const { model, usage } = message;
    const tier = isObject(usage) ? usage['service_tier'] : undefined;
    out.push(
      buildEvent.started(
        this.#id,
        typeof model === 'string' ? model : '',
        0,
        typeof tier === 'string' ? { serviceTier: tier } : {},
      ),
    );
    let members = '';
    for (const key in message) {
      if (!firstKeys.has(key) && message[key] !== null) members = addMember(members, key, message[key]);
    }
    if (members !== '') {
      out.push(buildEvent.opaqueEvent(dialectName, `{"type":"message_start","message":{${members}}}`));
    }
  }

  #openBlock(index: number, json: unknown, out: StreamEvent[]): void {
    this.#close(index, out);
    if (!isObject(json)) return;
    if (this.#parts.next + this.#open.size >= maxBlocks) {
      throw notUnderstood(this.#provider, `it has more than ${maxBlocks} blocks`);
    }
    this.#open.set(index, openBlock(json, this.#parts, out));
  }

  #delta(index: number, json: unknown, out: StreamEvent[]): void {
    if (!isObject(json)) return;
    const seed = seeds.get(json['type']);
    if (!this.#open.has(index) && seed !== undefined) this.#openBlock(index, seed, out);
    const block = this.#open.get(index);
    const left = block === undefined ? json : block.push(json, out);
    if (left !== null) out.push(buildEvent.opaqueEvent(dialectName, leftover(index, left)));
  }

  #close(index: number, out: StreamEvent[]): void {
    this.#open.get(index)?.end(out);
    this.#open.delete(index);
  }

  #end(json: Json): void {
    for (const key in json) {
      const value = json[key];
      if (key === 'delta' && isObject(value)) this.#endOf(value);
      else if (key === 'usage' && isObject(value)) this.#usage = mergeUsage(this.#usage, value);
      else if (!lastKeys.has(key) && value !== null) this.#endMembers[key] = value;
    }
  }

  #endOf(delta: Json): void {
    for (const key in delta) {
      const value = delta[key];
      if (value === null) continue;
      if (key === 'stop_reason') this.#stopReason = value;
      else this.#endDelta[key] = value;
    }
  }

  #finish(json: Json, out: StreamEvent[]): void {
    const word = this.#stopReason;
    // Whoever was told of such an end as of a good one would take what came for all.
    if (typeof word !== 'string' || word === '')
      throw interrupted(this.#provider, 'ended without saying why it stopped');
    // Bedrock's own measurements are of the hop between it and the gateway.
    for (const key in json) {
      if (key !== 'type' && !key.startsWith('amazon-bedrock-')) this.#endMembers[key] = json[key];
    }
    for (const block of this.#open.values()) block.end(out);
    this.#open.clear();
    this.#finished = true;
    let members = '';
    if (Object.keys(this.#endDelta).length > 0) members = addMember(members, 'delta', this.#endDelta);
    for (const key in this.#endMembers) members = addMember(members, key, this.#endMembers[key]);
    if (members !== '') {
      out.push(buildEvent.opaqueEvent(dialectName, `{${addText('', 'type', '"message_delta"')},${members}}`));
    }
    out.push(buildEvent.choiceFinished(0, decodeStopReason(word, this.#parts.called), word));
    out.push(buildEvent.finished(decodeUsage(this.#usage)));
  }
}

/** Members of the first frame's message that have an event, or are the same in all. */
const firstKeys: ReadonlySet<string> = new Set([
  'id',
  'type',
  'role',
  'model',
  'content',
  'stop_reason',
  'stop_sequence',
  'stop_details',
]);

const lastKeys: ReadonlySet<string> = new Set(['type', 'delta', 'usage']);

/** Blocks are told apart by their index; one that is none is as good as any. */
const numberOf = (index: unknown): number => (typeof index === 'number' ? index : -1);
