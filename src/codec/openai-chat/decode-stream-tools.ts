import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { callId } from '../ids.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { callSignatureFormat } from './reasoning.ts';

interface OpenCall {
  /** The provider's id; '' when it gave none with the first fragment. */
  readonly given: string;
  readonly id: string;
  readonly custom: boolean;
  /** Made in OpenAI's older form. */
  readonly legacy: boolean;
  /** Number among the calls. */
  readonly position: number;
  /** -1 until its name is known: a call is told of with its name. */
  part: number;
  name: string;
  /** So far; kept only of calls without an id of the provider's, and of those without a name yet. */
  text: string;
  /** State of the provider tied to the call; '' for none. */
  signature: string;
  /** Whether any arguments came. */
  hasArguments: boolean;
}

/** More calls in one answer are nonsense. */
const maxCalls = 4_096;

/** What of a fragment has events; other members pass as they are. */
const fragmentKeys: ReadonlySet<string> = new Set(['index', 'id', 'type', 'function', 'custom']);

/**
 * The tool calls of one choice. They are told apart by their index; where a provider leaves it out or repeats it, by their id;
 * where it has neither, by what is complete. Calls stay open until the answer ends, because providers mix their fragments.
 */
export class ToolCallsDecoder {
  readonly #completion: string;
  readonly #choice: number;
  readonly #calls: OpenCall[] = [];
  readonly #byIndex = new Map<number, OpenCall>();
  /** Unknown members of fragments, as items of `tool_calls`; taken by `takeUnknown`. */
  #unknown = '';

  /** @param completion id of the completion */
  constructor(completion: string, choice: number) {
    this.#completion = completion;
    this.#choice = choice;
  }

  /**
   * Takes the fragments of one chunk.
   * @param legacy they are of a call in OpenAI's older form
   * @returns number of the next part
   */
  push(fragments: readonly unknown[], nextPart: number, out: StreamEvent[], legacy = false): number {
    let next = nextPart;
    for (const fragment of fragments) {
      if (!isObject(fragment)) continue;
      const custom = fragment['type'] === 'custom' || isObject(fragment['custom']);
      const body = fragment[custom ? 'custom' : 'function'];
      const called = isObject(body) ? body : {};
      const text = textOf(called[custom ? 'input' : 'arguments']);
      const call = this.#find(fragment, nameOf(called)) ?? this.#begin(fragment, custom, legacy);
      if (call === null) continue;
      if (call.part < 0 && nameOf(called) !== '') {
        call.name = nameOf(called);
        call.part = next++;
        this.#start(call, out);
      }
      this.#grow(call, text, out);
      for (const key in fragment) if (!fragmentKeys.has(key)) this.#keep(call, key, fragment[key]);
    }
    return next;
  }

  /** Members of fragments that no event carries, as items of `tool_calls`. */
  takeUnknown(): string {
    const unknown = this.#unknown;
    this.#unknown = '';
    return unknown;
  }

  /**
   * The answer has ended: so have its calls. A function without arguments has an empty object of them.
   * @returns false when a call never got a name
   */
  end(out: StreamEvent[]): boolean {
    for (const call of this.#calls) {
      if (call.part < 0) return false;
      if (!call.hasArguments && !call.custom) out.push(buildEvent.delta(this.#choice, call.part, '{}'));
      out.push(buildEvent.partEnded(this.#choice, call.part, signed(call)));
    }
    return true;
  }

  /** Takes reasoning that is a call's signature. @returns false when it is none */
  sign({ content }: Part): boolean {
    if (content.case !== 'reasoning' || content.value.format !== callSignatureFormat) return false;
    const { id, encrypted } = content.value;
    const call = this.#calls.find((known) => known.id === id);
    if (call === undefined || encrypted === '') return false;
    call.signature = encrypted;
    return true;
  }

  #find(fragment: Json, name: string): OpenCall | undefined {
    const { id: given, index } = fragment;
    const id = typeof given === 'string' ? given : '';
    const indexed = typeof index === 'number';
    if (!indexed && id !== '') return this.#calls.find((call) => call.given === id);
    const call = indexed ? this.#byIndex.get(index) : this.#calls[this.#calls.length - 1];
    if (call === undefined || name === '' || call.part < 0) return call;
    // An id that changes without a name is made anew for each chunk; with one it is of another call: some always send index 0.
    if (id !== '' && call.given !== '') return id === call.given ? call : undefined;
    // Names without ids: the provider repeats the name, or has begun the next call.
    return name === call.name && !isComplete(call.text) ? call : undefined;
  }

  #begin(fragment: Json, custom: boolean, legacy: boolean): OpenCall | null {
    const position = this.#calls.length;
    if (position >= maxCalls) return null;
    const given = typeof fragment['id'] === 'string' ? fragment['id'] : '';
    const id = given === '' ? callId(this.#completion, this.#choice, position) : given;
    const call: OpenCall = {
      given,
      id,
      custom,
      legacy,
      position,
      part: -1,
      name: '',
      text: '',
      signature: '',
      hasArguments: false,
    };
    this.#calls.push(call);
    if (typeof fragment['index'] === 'number') this.#byIndex.set(fragment['index'], call);
    return call;
  }

  #start(call: OpenCall, out: StreamEvent[]): void {
    const value = build.toolCall(call.id, call.name, '');
    if (call.custom) value.custom = true;
    if (call.legacy) value.legacy = true;
    out.push(buildEvent.partStarted(this.#choice, call.part, build.part({ case: 'toolCall', value })));
    if (call.text !== '') out.push(buildEvent.delta(this.#choice, call.part, call.text));
  }

  #grow(call: OpenCall, text: string, out: StreamEvent[]): void {
    if (text === '') return;
    call.hasArguments = true;
    if (call.part < 0 || call.given === '') call.text += text;
    if (call.part >= 0) out.push(buildEvent.delta(this.#choice, call.part, text));
  }

  #keep(call: OpenCall, key: string, value: unknown): void {
    if (value === null) return;
    const item = `{"index":${call.position},${addMember('', key, value)}}`;
    this.#unknown += this.#unknown === '' ? item : `,${item}`;
  }
}

/** What of a call is only known at its end. */
function signed({ id, name, custom, signature }: OpenCall): Part | undefined {
  if (signature === '') return undefined;
  return build.part({ case: 'toolCall', value: build.toolCall(id, name, '', { custom, signature }) });
}

const nameOf = (called: Json): string => (typeof called['name'] === 'string' ? called['name'] : '');

/** A fragment of arguments; some send them whole as an object. */
const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return isObject(value) ? JSON.stringify(value) : '';
};

function isComplete(text: string): boolean {
  if (!text.endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
