import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { itemKey } from '../../model/items.ts';
import { isObject, type Json } from '../json.ts';
import { decodeAnnotation } from './annotations.ts';
import { ofProvider } from './compaction.ts';
import { dialectName, stateFormatOf } from './dialect.ts';
import { toExtras } from './extras.ts';
import { decodeLogprobs } from './logprobs.ts';

/** What of an item grows. */
export type Growing = 'text' | 'refusal' | 'reasoning' | 'summary' | 'call' | 'opaque';

interface OpenPart {
  readonly number: number;
  readonly kind: Growing;
  text: string;
  annotations: number;
  ended: boolean;
}

const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Keys of items that have a place in the model. */
const knownKeys: ReadonlySet<string> = new Set([
  'id',
  'type',
  'status',
  'role',
  'content',
  'summary',
  'encrypted_content',
  'arguments',
  'input',
  'name',
  'call_id',
]);

/** Makes the events of one output item; of an item that is only told when it is done, too. */
export class ItemDecoder {
  readonly #provider: string;
  readonly #takeNumber: () => number;
  readonly #parts = new Map<string, OpenPart>();
  /** The piece of reasoning whose end waits for the item's: what only the provider can read comes last. */
  #last: OpenPart | null = null;
  #item: Json;
  #done = false;

  /**
   * @param provider whose item it is
   * @param takeNumber gives the next number of a part in the answer
   */
  constructor(item: Json, provider: string, takeNumber: () => number) {
    this.#item = item;
    this.#provider = provider;
    this.#takeNumber = takeNumber;
  }

  /** '' where the provider gives none. */
  get id(): string {
    return stringOf(this.#item['id']);
  }

  get isCall(): boolean {
    const { type } = this.#item;
    return type === 'function_call' || type === 'custom_tool_call';
  }

  /** The item is announced: what is known of a call or of an item of an unknown kind is told at once. */
  begin(out: StreamEvent[]): void {
    if (this.isCall) this.#open('call', 0, out);
    else if (!this.#isKnown) this.#open('opaque', 0, out);
  }

  /** Something grows. */
  grow(kind: Growing, index: number, text: string, logprobs: unknown, out: StreamEvent[]): void {
    const part = this.#open(kind, index, out);
    if (part.ended) return;
    part.text += text;
    const probabilities = decodeLogprobs(logprobs);
    if (text === '' && probabilities === undefined) return;
    const more = probabilities === undefined ? undefined : { logprobs: probabilities };
    out.push(buildEvent.delta(0, part.number, text, more));
  }

  cite(index: number, annotation: unknown, out: StreamEvent[]): void {
    const part = this.#open('text', index, out);
    const cited = decodeAnnotation(annotation);
    if (part.ended || cited === undefined) return;
    part.annotations++;
    out.push(buildEvent.delta(0, part.number, '', { annotations: [cited] }));
  }

  /** A part is announced. */
  open(kind: Growing, index: number, out: StreamEvent[]): void {
    this.#open(kind, index, out);
  }

  /** The whole text of a part is told: what did not come in pieces comes now. */
  settle(kind: Growing, index: number, text: unknown, out: StreamEvent[]): void {
    const part = this.#open(kind, index, out);
    if (part.ended || typeof text !== 'string' || !text.startsWith(part.text)) return;
    const missing = text.slice(part.text.length);
    if (missing !== '') this.grow(kind, index, missing, undefined, out);
  }

  /** A part is complete. */
  end(kind: Growing, index: number, out: StreamEvent[]): void {
    const part = this.#parts.get(keyOf(kind, index));
    if (part === undefined || part.ended) return;
    if (kind === 'reasoning' || kind === 'summary') {
      if (this.#last !== null && this.#last !== part) this.#finish(this.#last, undefined, out);
      this.#last = part;
    } else this.#finish(part, undefined, out);
  }

  /** The item is complete: everything that has not been told of it is. */
  finish(item: Json, out: StreamEvent[]): void {
    if (this.#done) return;
    this.#done = true;
    this.#item = { ...this.#item, ...item };
    if (this.isCall) this.#finishCall(out);
    else if (!this.#isKnown) {
      this.#finish(this.#open('opaque', 0, out), this.#content('opaque'), out);
    } else if (this.#item['type'] === 'reasoning') this.#finishReasoning(out);
    else this.#finishMessage(out);
  }

  /** The stream is over, and the item's end was not told: what there is of it ends. */
  close(out: StreamEvent[]): void {
    if (!this.#done) this.finish({}, out);
  }

  get #isKnown(): boolean {
    const { type } = this.#item;
    return type === 'message' || type === 'reasoning' || this.isCall;
  }

  #finishCall(out: StreamEvent[]): void {
    const body = this.#item['type'] === 'custom_tool_call' ? 'input' : 'arguments';
    this.settle('call', 0, this.#item[body], out);
    this.#finish(this.#open('call', 0, out), undefined, out);
  }

  #finishMessage(out: StreamEvent[]): void {
    const { content } = this.#item;
    if (Array.isArray(content)) {
      content.forEach((part: unknown, index) => {
        if (!isObject(part)) return;
        if (part['type'] === 'refusal') this.settle('refusal', index, part['refusal'], out);
        else if (part['type'] === 'output_text') {
          this.settle('text', index, part['text'], out);
          this.#citeRest(index, part['annotations'], out);
        }
      });
    }
    for (const part of this.#parts.values()) if (!part.ended) this.#finish(part, undefined, out);
  }

  #citeRest(index: number, annotations: unknown, out: StreamEvent[]): void {
    const part = this.#parts.get(keyOf('text', index));
    if (!Array.isArray(annotations) || part === undefined || part.ended) return;
    for (const annotation of annotations.slice(part.annotations)) this.cite(index, annotation, out);
  }

  #finishReasoning(out: StreamEvent[]): void {
    const { summary, content } = this.#item;
    const settleAll = (kind: Growing, list: unknown): void => {
      if (!Array.isArray(list)) return;
      list.forEach((piece: unknown, index) => {
        if (!isObject(piece)) return;
        this.settle(kind, index, piece['text'], out);
        this.end(kind, index, out);
      });
    };
    settleAll('summary', summary);
    settleAll('reasoning', content);
    const last = this.#last ?? [...this.#parts.values()].at(-1) ?? this.#open('summary', 0, out);
    for (const part of this.#parts.values())
      if (!part.ended && part !== last) this.#finish(part, undefined, out);
    this.#finish(last, this.#content(last.kind), out);
  }

  #open(kind: Growing, index: number, out: StreamEvent[]): OpenPart {
    const key = keyOf(kind, index);
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const part: OpenPart = { number: this.#takeNumber(), kind, text: '', annotations: 0, ended: false };
    const isFirst = this.#parts.size === 0;
    this.#parts.set(key, part);
    const content = this.#content(kind);
    const extras = isFirst && kind !== 'opaque' ? this.#extras() : undefined;
    if (extras !== undefined) content.extras = extras;
    out.push(buildEvent.partStarted(0, part.number, content));
    return part;
  }

  #finish(part: OpenPart, final: Part | undefined, out: StreamEvent[]): void {
    if (part.ended) return;
    part.ended = true;
    out.push(buildEvent.partEnded(0, part.number, final));
  }

  /** A part without its text. */
  #content(kind: Growing): Part {
    const item = this.#item;
    const id = stringOf(item['id']);
    const rest = id === '' ? undefined : { itemId: id };
    switch (kind) {
      case 'text':
        return build.part({ case: 'text', value: build.text('') }, rest);
      case 'refusal':
        return build.part({ case: 'refusal', value: build.refusal('') }, rest);
      case 'reasoning':
      case 'summary': {
        const encrypted = stringOf(item['encrypted_content']);
        const state = {
          id,
          format: stateFormatOf(this.#provider),
          summary: kind === 'summary',
          encrypted: this.#done ? encrypted : '',
        };
        return build.part({ case: 'reasoning', value: build.reasoning('', state) }, rest);
      }
      case 'call': {
        const custom = item['type'] === 'custom_tool_call';
        const callId = stringOf(item['call_id']) || id;
        return build.part(
          { case: 'toolCall', value: build.toolCall(callId, stringOf(item['name']), '', { custom }) },
          rest,
        );
      }
      default: {
        const whole = build.opaque(dialectName, stringOf(item['type']), JSON.stringify(item));
        return build.part({ case: 'opaque', value: ofProvider(whole, this.#provider) }, rest);
      }
    }
  }

  #extras() {
    const others: Json = {};
    for (const key in this.#item) {
      if (!knownKeys.has(key) && this.#item[key] !== null) others[key] = this.#item[key];
    }
    if (Object.keys(others).length === 0) return undefined;
    return toExtras(JSON.stringify({ [itemKey]: others }).slice(1, -1));
  }
}

const keyOf = (kind: Growing, index: number): string => `${kind} ${index}`;
