import * as build from '../../model/build.ts';
import type { StreamEvent } from '../../model/events.ts';
import { isObject, type Json } from './json.ts';

interface OpenCall {
  readonly part: number;
  readonly id: string;
  readonly custom: boolean;
  /** Whether any arguments came. */
  hasArguments: boolean;
}

/** More calls in one answer are nonsense. */
const maxCalls = 4_096;

/**
 * The tool calls of one choice. They are told apart by their index; where a provider leaves it out or repeats it, by their id.
 * Calls stay open until the answer ends, because providers mix their fragments.
 */
export class ToolCallsDecoder {
  readonly #choice: number;
  readonly #calls: OpenCall[] = [];
  readonly #byIndex = new Map<number, OpenCall>();

  constructor(choice: number) {
    this.#choice = choice;
  }

  /** Takes the fragments of one chunk. @returns number of the next part */
  push(fragments: readonly unknown[], nextPart: number, out: StreamEvent[]): number {
    let next = nextPart;
    for (const fragment of fragments) {
      if (!isObject(fragment) || this.#calls.length >= maxCalls) continue;
      const custom = fragment['type'] === 'custom' || isObject(fragment['custom']);
      const body = fragment[custom ? 'custom' : 'function'];
      const called = isObject(body) ? body : {};
      let call = this.#find(fragment, called);
      if (call === undefined) {
        call = this.#open(fragment, called, custom, next++, out);
      }
      const text = textOf(called[call.custom ? 'input' : 'arguments']);
      if (text === '') continue;
      call.hasArguments = true;
      out.push(build.delta(this.#choice, call.part, text));
    }
    return next;
  }

  /** The answer has ended: so have its calls. A function without arguments has an empty object of them. */
  end(out: StreamEvent[]): void {
    for (const call of this.#calls) {
      if (!call.hasArguments && !call.custom) out.push(build.delta(this.#choice, call.part, '{}'));
      out.push(build.partEnded(this.#choice, call.part));
    }
  }

  #find(fragment: Json, called: Json): OpenCall | undefined {
    const { id, index } = fragment;
    const named = typeof id === 'string' && id !== '';
    const byIndex = typeof index === 'number' ? this.#byIndex.get(index) : undefined;
    if (byIndex !== undefined) {
      // Another id with a name at a known index begins another call: some always send index 0.
      return named && id !== byIndex.id && typeof called['name'] === 'string' ? undefined : byIndex;
    }
    if (typeof index === 'number') return undefined;
    if (named) return this.#calls.find((call) => call.id === id);
    return typeof called['name'] === 'string' && called['name'] !== ''
      ? undefined
      : this.#calls[this.#calls.length - 1];
  }

  #open(fragment: Json, called: Json, custom: boolean, part: number, out: StreamEvent[]): OpenCall {
    const given = typeof fragment['id'] === 'string' ? fragment['id'] : '';
    const id = given === '' ? `call_${this.#choice}_${this.#calls.length}` : given;
    const call: OpenCall = { part, id, custom, hasArguments: false };
    this.#calls.push(call);
    if (typeof fragment['index'] === 'number') this.#byIndex.set(fragment['index'], call);
    const value = build.toolCall(id, typeof called['name'] === 'string' ? called['name'] : '', '');
    if (custom) value.custom = true;
    out.push(build.partStarted(this.#choice, part, build.part({ case: 'toolCall', value })));
    return call;
  }
}

/** A fragment of arguments; some send them whole as an object. */
const textOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return isObject(value) ? JSON.stringify(value) : '';
};
