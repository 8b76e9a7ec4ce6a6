import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { decodeCitations } from './citations.ts';
import { decodeBlock, inputOf, thought, wholeBlock } from './decode-blocks.ts';

/** What the blocks of an answer share. */
export interface AnswerParts {
  /** Number of the next part. */
  next: number;
  /** Some part is a call of a tool. */
  called: boolean;
  /** Makes an id for a call without one. @param part number of its part */
  idOf(part: number): string;
}

/** A content block of a stream while it is open. */
export interface OpenBlock {
  /** Takes a delta and appends the events that it stands for. @returns what of it has no event; null for nothing */
  push(delta: Json, out: StreamEvent[]): Json | null;
  end(out: StreamEvent[]): void;
}

/** Begins the block that `content_block_start` tells of. */
export function openBlock(json: Json, parts: AnswerParts, out: StreamEvent[]): OpenBlock {
  // Decoded without its content, which the part's deltas bring.
  switch (json['type']) {
    case 'text': {
      if (typeof json['text'] !== 'string') break;
      const { text, citations } = json;
      return new TextBlock(begin({ ...json, text: '', citations: null }, parts, out), text, citations, out);
    }
    case 'thinking': {
      if (typeof json['thinking'] !== 'string') break;
      const { thinking: text, signature } = json;
      const bare = { ...json, thinking: '', signature: '' };
      return new ThinkingBlock(begin(bare, parts, out), text, signature, out);
    }
    case 'redacted_thinking': {
      const final = decodeBlock(json, () => '');
      if (final.content.case !== 'reasoning') break;
      // Its state is told at its end, like that of all reasoning.
      return new RedactedBlock(
        begin({ ...json, type: 'thinking', thinking: '', data: null }, parts, out),
        final,
      );
    }
    case 'tool_use': {
      if (typeof json['name'] !== 'string' || json['name'] === '') break;
      parts.called = true;
      return new ToolBlock(begin({ ...json, input: null }, parts, out), json['input']);
    }
    default:
  }
  return new WholeBlock(json, parts);
}

function begin(json: Json, parts: AnswerParts, out: StreamEvent[]): number {
  const part = parts.next++;
  const content = decodeBlock(json, () => parts.idOf(part));
  // Arguments come as deltas.
  if (content.content.case === 'toolCall') content.content.value.arguments = '';
  out.push(buildEvent.partStarted(0, part, content));
  return part;
}

/** What a delta says besides what its kind says; null for nothing. Its own content is then blank, because it has been told. */
function others(delta: Json, key: string, blank: string): Json | null {
  let found = false;
  for (const member in delta) found ||= member !== 'type' && member !== key && delta[member] !== null;
  return found ? { ...delta, [key]: blank } : null;
}

class TextBlock implements OpenBlock {
  readonly #part: number;
  #length: number;
  /** They are of the whole text, so they are told when it is known. */
  readonly #citations: Json[] = [];

  constructor(part: number, text: string, citations: unknown, out: StreamEvent[]) {
    this.#part = part;
    this.#length = text.length;
    const annotations = Array.isArray(citations) ? decodeCitations(citations, text.length) : [];
    if (text !== '' || annotations.length > 0) out.push(buildEvent.delta(0, part, text, { annotations }));
  }

  push(delta: Json, out: StreamEvent[]): Json | null {
    const { type, text, citation } = delta;
    if (type === 'text_delta' && typeof text === 'string') {
      this.#length += text.length;
      if (text !== '') out.push(buildEvent.delta(0, this.#part, text));
      return others(delta, 'text', '');
    }
    if (type === 'citations_delta' && isObject(citation)) {
      this.#citations.push(citation);
      return null;
    }
    return delta;
  }

  end(out: StreamEvent[]): void {
    if (this.#citations.length > 0) {
      out.push(
        buildEvent.delta(0, this.#part, '', { annotations: decodeCitations(this.#citations, this.#length) }),
      );
    }
    out.push(buildEvent.partEnded(0, this.#part));
  }
}

class ThinkingBlock implements OpenBlock {
  readonly #part: number;
  #signature: unknown;

  constructor(part: number, text: string, signature: unknown, out: StreamEvent[]) {
    this.#part = part;
    this.#signature = signature;
    if (text !== '') out.push(buildEvent.delta(0, part, text));
  }

  push(delta: Json, out: StreamEvent[]): Json | null {
    const { type, thinking, signature } = delta;
    if (type === 'thinking_delta' && typeof thinking === 'string') {
      if (thinking !== '') out.push(buildEvent.delta(0, this.#part, thinking));
      return others(delta, 'thinking', '');
    }
    if (type === 'signature_delta' && typeof signature === 'string') {
      this.#signature = signature;
      return null;
    }
    return delta;
  }

  end(out: StreamEvent[]): void {
    const value = thought('', this.#signature);
    const final = value.signature === '' ? undefined : build.part({ case: 'reasoning', value });
    out.push(buildEvent.partEnded(0, this.#part, final));
  }
}

class RedactedBlock implements OpenBlock {
  readonly #part: number;
  readonly #final: Part;

  constructor(part: number, final: Part) {
    this.#part = part;
    this.#final = final;
  }

  push(delta: Json): Json {
    return delta;
  }

  end(out: StreamEvent[]): void {
    out.push(buildEvent.partEnded(0, this.#part, this.#final));
  }
}

class ToolBlock implements OpenBlock {
  readonly #part: number;
  /** The input that the block began with: some send all of it there. */
  readonly #input: unknown;
  #grown = false;

  constructor(part: number, input: unknown) {
    this.#part = part;
    this.#input = input;
  }

  push(delta: Json, out: StreamEvent[]): Json | null {
    const { type, partial_json: piece } = delta;
    if (type !== 'input_json_delta' || typeof piece !== 'string') return delta;
    if (piece !== '') {
      this.#grown = true;
      out.push(buildEvent.delta(0, this.#part, piece));
    }
    return others(delta, 'partial_json', '');
  }

  end(out: StreamEvent[]): void {
    if (!this.#grown) out.push(buildEvent.delta(0, this.#part, inputOf(this.#input)));
    out.push(buildEvent.partEnded(0, this.#part));
  }
}

/** Most characters of a block that is put together, which is more than any model writes. */
const maxWhole = 64 * 1024 * 1024;

/** A block of a kind that the model does not know: put together from its deltas, and told of whole when it ends. */
class WholeBlock implements OpenBlock {
  readonly #json: Json;
  readonly #parts: AnswerParts;
  #input = '';
  #size = 0;

  constructor(json: Json, parts: AnswerParts) {
    this.#json = { ...json };
    this.#parts = parts;
  }

  /** @throws RangeError when it grows beyond all bounds */
  push(delta: Json): null {
    const json = this.#json;
    const { type, partial_json: piece, text, thinking, citation } = delta;
    if (type === 'input_json_delta' && typeof piece === 'string') this.#input += this.#bounded(piece);
    else if (type === 'text_delta' && typeof text === 'string') this.#append('text', text);
    else if (type === 'thinking_delta' && typeof thinking === 'string') this.#append('thinking', thinking);
    else if (type === 'citations_delta') {
      this.#bounded(JSON.stringify(citation ?? null));
      const known = Array.isArray(json['citations']) ? json['citations'] : [];
      json['citations'] = known;
      known.push(citation);
    } else {
      // A delta of another kind has the last word on its members.
      this.#bounded(JSON.stringify(delta));
      for (const key in delta) if (key !== 'type') json[key] = delta[key];
    }
    return null;
  }

  end(out: StreamEvent[]): void {
    if (this.#input !== '') this.#json['input'] = parsed(this.#input);
    const part = this.#parts.next++;
    out.push(buildEvent.partStarted(0, part, wholeBlock(this.#json)), buildEvent.partEnded(0, part));
  }

  #append(key: string, text: string): void {
    const known = this.#json[key];
    this.#json[key] = (typeof known === 'string' ? known : '') + this.#bounded(text);
  }

  #bounded(text: string): string {
    this.#size += text.length;
    if (this.#size > maxWhole) throw new RangeError('a block is too large');
    return text;
  }
}

/** An input as JSON; as text where the model did not write JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A frame of a block with what has no event, as JSON text. */
export const leftover = (index: number, delta: Json): string =>
  `{"type":"content_block_delta",${addMember('', 'index', index)},${addMember('', 'delta', delta)}}`;
