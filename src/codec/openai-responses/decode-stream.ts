import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { isObject, type Json } from '../json.ts';
import { interrupted, notUnderstood, type Upstream } from '../upstream-error.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { type Growing, ItemDecoder } from './decode-stream-item.ts';
import { decodeUsage } from './decode-usage.ts';
import { dialectName } from './dialect.ts';
import { decodeFinish, otherMembers } from './finish.ts';

/** Items of one response at most. */
const maxItems = 10_000;

const countOf = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < maxItems ? value : 0;

/** What grows by which event, and where its number is. */
const growth: ReadonlyMap<string, readonly [kind: Growing, index: string, whole: string]> = new Map([
  ['response.output_text', ['text', 'content_index', 'text']],
  ['response.refusal', ['refusal', 'content_index', 'refusal']],
  ['response.reasoning_text', ['reasoning', 'content_index', 'text']],
  ['response.reasoning_summary_text', ['summary', 'summary_index', 'text']],
  ['response.function_call_arguments', ['call', '', 'arguments']],
  ['response.custom_tool_call_input', ['call', '', 'input']],
]);

/** The same by the names of the deltas, which are most of a stream. */
const deltas: ReadonlyMap<string, readonly [kind: Growing, index: string]> = new Map(
  [...growth].map(([subject, [kind, index]]) => [`${subject}.delta`, [kind, index]]),
);

/** Parts of messages that can grow. */
const partKinds: ReadonlyMap<unknown, Growing> = new Map([
  ['output_text', 'text'],
  ['refusal', 'refusal'],
  ['reasoning_text', 'reasoning'],
  ['summary_text', 'summary'],
]);

/**
 * Turns the events of a response into those of an answer. It is complete when the response is completed or incomplete; anything else is an
 * interruption.
 */
export class ResponseStreamDecoder {
  readonly #provider: string;
  readonly #items = new Map<number, ItemDecoder>();
  #parts = 0;
  #started = false;
  #finished = false;

  constructor({ provider }: Upstream) {
    this.#provider = provider;
  }

  /**
   * Takes the data of one SSE event and appends the events that it stands for.
   * @throws GatewayError when it is an error of the provider's, or no event
   */
  push(data: string, out: StreamEvent[]): void {
    if (this.#finished || data === '[DONE]' || data === '') return;
    const json = this.#parse(data);
    const type = typeof json['type'] === 'string' ? json['type'] : '';
    if (type === 'error' || (type === '' && json['error'] !== undefined)) {
      throw upstreamError(this.#provider, isObject(json['error']) ? json['error'] : json, 200);
    }
    const { response } = json;
    if (isObject(response)) this.#response(type, response, out);
    else if (type.startsWith('response.output_item.')) this.#item(type, json, out);
    else if (!this.#grow(type, json, out)) this.#pass(type, json, out);
  }

  /** Takes the end of the body. @throws GatewayError when the answer is not complete */
  end(_out: StreamEvent[]): void {
    if (!this.#finished) throw interrupted(this.#provider, 'ended before the answer was complete');
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

  /** The response itself: as it begins, or as it is at its end. */
  #response(type: string, response: Json, out: StreamEvent[]): void {
    const error = errorIn(response);
    if (error !== undefined) throw upstreamError(this.#provider, error, 200);
    if (type === 'response.failed' || type === 'response.cancelled') {
      throw upstreamError(this.#provider, { message: 'the response did not complete' }, 200);
    }
    this.#start(response, out);
    if (type !== 'response.completed' && type !== 'response.incomplete') return;
    const { output } = response;
    if (Array.isArray(output)) this.#settle(output.filter(isObject), out);
    let hasToolCalls = false;
    for (const item of this.#items.values()) {
      item.close(out);
      hasToolCalls ||= item.isCall;
    }
    this.#finished = true;
    const { reason, native } = decodeFinish(response, hasToolCalls);
    out.push(buildEvent.choiceFinished(0, reason, native));
    this.#others(response, out);
    out.push(buildEvent.finished(decodeUsage(response['usage'])));
  }

  /** The whole output at the end. Its places need not be those in the stream, and some tell of items only here. */
  #settle(output: readonly Json[], out: StreamEvent[]): void {
    const told = [...this.#items].sort(([one], [other]) => one - other).map(([, item]) => item);
    const named = output.map(({ id }) => told.find((item) => item.id !== '' && item.id === id));
    const free = told.filter((item) => !named.includes(item));
    output.forEach((item, i) => {
      const known = named[i] ?? (told.length === output.length ? free.shift() : undefined);
      (known ?? this.#itemAt(this.#freePlace(i, named), item, out)).finish(item, out);
    });
  }

  /** Where an item is that may not have been told of: not where one is that is known to be another. */
  #freePlace(index: number, others: readonly (ItemDecoder | undefined)[]): number {
    const there = this.#items.get(index);
    return there !== undefined && others.includes(there) ? Math.max(...this.#items.keys()) + 1 : index;
  }

  #start(response: Json, out: StreamEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    const { id, model, created_at: createdAt, service_tier: tier } = response;
    const at =
      typeof createdAt === 'number' && createdAt > 0 && createdAt <= 0xffff_ffff ? Math.floor(createdAt) : 0;
    const serviceTier = typeof tier === 'string' ? tier : '';
    out.push(
      buildEvent.started(typeof id === 'string' ? id : '', typeof model === 'string' ? model : '', at, {
        serviceTier,
      }),
    );
    this.#others(response, out);
  }

  /** What else the response says. */
  #others(response: Json, out: StreamEvent[]): void {
    const others = otherMembers(response);
    if (Object.keys(others).length > 0) out.push(buildEvent.opaqueEvent(dialectName, JSON.stringify(others)));
  }

  #item(type: string, json: Json, out: StreamEvent[]): void {
    const { item } = json;
    if (!isObject(item)) throw notUnderstood(this.#provider, 'an item is not an object');
    const decoder = this.#itemAt(countOf(json['output_index']), item, out);
    if (type === 'response.output_item.done') decoder.finish(item, out);
  }

  #itemAt(index: number, item: Json, out: StreamEvent[]): ItemDecoder {
    if (!this.#started) this.#start({}, out);
    let decoder = this.#items.get(index);
    if (decoder === undefined) {
      decoder = new ItemDecoder(item, this.#provider, () => this.#parts++);
      this.#items.set(index, decoder);
      decoder.begin(out);
    }
    return decoder;
  }

  /** @returns false for an event that is about nothing that grows */
  #grow(type: string, json: Json, out: StreamEvent[]): boolean {
    const growing = deltas.get(type);
    if (growing !== undefined) {
      const [kind, place] = growing;
      const { delta } = json;
      const index = place === '' ? 0 : countOf(json[place]);
      const item = this.#items.get(countOf(json['output_index'])) ?? this.#unannounced(kind, json, out);
      item.grow(kind, index, typeof delta === 'string' ? delta : '', json['logprobs'], out);
      return true;
    }
    const cut = type.lastIndexOf('.');
    const subject = type.slice(0, cut);
    const verb = type.slice(cut + 1);
    const grown = growth.get(subject);
    const known = this.#items.get(countOf(json['output_index']));
    if (grown !== undefined) {
      const [kind, place, whole] = grown;
      const item = known ?? this.#unannounced(kind, json, out);
      if (verb === 'done') item.settle(kind, place === '' ? 0 : countOf(json[place]), json[whole], out);
      return true;
    }
    if (type === 'response.output_text.annotation.added') {
      (known ?? this.#unannounced('text', json, out)).cite(
        countOf(json['content_index']),
        json['annotation'],
        out,
      );
      return true;
    }
    if (subject !== 'response.content_part' && subject !== 'response.reasoning_summary_part') return false;
    const kind = isObject(json['part']) ? partKinds.get(json['part']['type']) : undefined;
    if (kind === undefined || known === undefined) return true;
    const index = countOf(json[kind === 'summary' ? 'summary_index' : 'content_index']);
    if (verb === 'added') known.open(kind, index, out);
    else known.end(kind, index, out);
    return true;
  }

  /** An item whose beginning was not told. */
  #unannounced(kind: Growing, json: Json, out: StreamEvent[]): ItemDecoder {
    const id = json['item_id'];
    const type =
      kind === 'text' || kind === 'refusal' ? 'message' : kind === 'call' ? 'function_call' : 'reasoning';
    return this.#itemAt(
      countOf(json['output_index']),
      { type, ...(typeof id === 'string' ? { id } : {}) },
      out,
    );
  }

  /** Progress of an item that the provider works at by itself, and what else it may tell. */
  #pass(type: string, json: Json, out: StreamEvent[]): void {
    if (!type.startsWith('response.')) return;
    const { sequence_number: _, obfuscation: __, ...event } = json;
    out.push(buildEvent.opaqueEvent(dialectName, JSON.stringify(event)));
  }
}
