import { Buffer } from 'node:buffer';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { callId } from '../ids.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { decodeCitation } from './citations.ts';
import { argumentsOf, decodeBlock, opaque, reasoningFormat } from './decode-block.ts';
import { toExtras } from './extras.ts';
import type { ModelTraits } from './models.ts';

/** More blocks in one answer are nonsense. */
const maxBlocks = 10_000;
/** Characters that are held back of blocks that can only be told whole: pictures, and what the provider's own tools did. */
const maxHeld = 64 * 1024 * 1024;

type Kind = 'text' | 'reasoning' | 'toolCall' | 'held';

interface OpenBlock {
  readonly kind: Kind;
  /** Number of its part; -1 for one that is told at its end. */
  readonly part: number;
  /** Characters of text, or of arguments. */
  length: number;
  signature: string;
  /** Pieces of redacted reasoning. */
  readonly redacted: string[];
  /** What is told at the end: kind of the block, its start, and the pieces of its deltas. */
  readonly name: string;
  readonly start: Json;
  readonly pieces: unknown[];
}

/**
 * The content blocks of a streamed answer. They have an index each; a block of text or reasoning has no start but its first delta.
 */
export class StreamBlocks {
  readonly #completion: string;
  readonly #traits: ModelTraits;
  readonly #open = new Map<number, OpenBlock>();
  #next = 0;
  #calls = 0;
  #held = 0;

  constructor(completion: string, traits: ModelTraits) {
    this.#completion = completion;
    this.#traits = traits;
  }

  /** Tool calls so far. */
  get calls(): number {
    return this.#calls;
  }

  get tooLarge(): boolean {
    return this.#held > maxHeld || this.#next > maxBlocks;
  }

  /** A block of a kind that begins explicitly. @returns what has no event, as members */
  start(index: number, start: Json, out: StreamEvent[]): string {
    let unknown = '';
    for (const name in start) {
      const value = start[name];
      if (!isObject(value)) unknown = addMember(unknown, name, value);
      else if (name === 'toolUse' && value['type'] === undefined && typeof value['name'] === 'string') {
        this.#call(index, value['name'], value, out);
      } else {
        this.stop(index, out);
        this.#open.set(index, newBlock('held', -1, name, value));
        this.#hold(value);
      }
    }
    return unknown;
  }

  /** A block grows. @returns what has no event, as members */
  delta(index: number, delta: Json, out: StreamEvent[]): string {
    let unknown = '';
    for (const name in delta) {
      const value = delta[name];
      const held = this.#open.get(index);
      if (held?.kind === 'held' && held.name === name) {
        held.pieces.push(value);
        this.#hold(value);
      } else if (name === 'text' && typeof value === 'string') {
        if (value !== '') this.#grow(index, 'text', value, out);
      } else if (name === 'toolUse' && isObject(value)) {
        if (!this.#addArguments(index, value, out)) unknown = addMember(unknown, name, value);
      } else if (name === 'reasoningContent' && isObject(value)) {
        const rest = this.#reason(index, value, out);
        if (rest !== '') unknown = `${unknown === '' ? '' : `${unknown},`}"${name}":{${rest}}`;
      } else if (name === 'citation' && isObject(value)) {
        const block = this.#block(index, 'text', out);
        const annotations = [decodeCitation(value, block.length)];
        out.push(buildEvent.delta(0, block.part, '', { annotations }));
      } else if (value !== null) unknown = addMember(unknown, name, value);
    }
    return unknown;
  }

  /** A block is complete. */
  stop(index: number, out: StreamEvent[]): void {
    const block = this.#open.get(index);
    if (block === undefined) return;
    this.#open.delete(index);
    if (block.kind === 'held') {
      const part = this.#heldPart(block);
      out.push(buildEvent.partStarted(0, this.#next, part), buildEvent.partEnded(0, this.#next++));
      return;
    }
    // A call without arguments has an empty object of them.
    if (block.kind === 'toolCall' && block.length === 0) out.push(buildEvent.delta(0, block.part, '{}'));
    out.push(
      buildEvent.partEnded(0, block.part, block.kind === 'reasoning' ? this.#state(block) : undefined),
    );
  }

  /** The answer is complete: so are its blocks. */
  end(out: StreamEvent[]): void {
    for (const index of [...this.#open.keys()]) this.stop(index, out);
  }

  #call(index: number, name: string, value: Json, out: StreamEvent[]): void {
    this.stop(index, out);
    const position = this.#calls++;
    const given = value['toolUseId'];
    const id = typeof given === 'string' && given !== '' ? given : callId(this.#completion, 0, position);
    const part = build.part({ case: 'toolCall', value: build.toolCall(id, name, '') });
    let unknown = '';
    for (const key in value) if (!callKeys.has(key)) unknown = addMember(unknown, key, value[key]);
    if (unknown !== '') part.extras = toExtras(`"toolUse":{${unknown}}`);
    this.#begin(index, 'toolCall', part, out);
  }

  /** @returns false when no call is open there */
  #addArguments(index: number, value: Json, out: StreamEvent[]): boolean {
    const block = this.#open.get(index);
    if (block?.kind !== 'toolCall') return false;
    const { input } = value;
    const text = typeof input === 'string' ? input : isObject(input) ? argumentsOf(input) : '';
    if (text === '') return true;
    block.length += text.length;
    out.push(buildEvent.delta(0, block.part, text));
    return true;
  }

  /** @returns its unknown members */
  #reason(index: number, value: Json, out: StreamEvent[]): string {
    let unknown = '';
    for (const key in value) {
      const piece = value[key];
      if (typeof piece !== 'string') {
        if (piece !== null) unknown = addMember(unknown, key, piece);
      } else if (key === 'text') {
        if (piece !== '') this.#grow(index, 'reasoning', piece, out);
      } else if (key === 'signature' || key === 'redactedContent') {
        const block = this.#block(index, 'reasoning', out);
        if (key === 'signature') block.signature += piece;
        else block.redacted.push(piece);
        this.#held += piece.length;
      } else unknown = addMember(unknown, key, piece);
    }
    return unknown;
  }

  #grow(index: number, kind: 'text' | 'reasoning', text: string, out: StreamEvent[]): void {
    const block = this.#block(index, kind, out);
    block.length += text.length;
    out.push(buildEvent.delta(0, block.part, text));
  }

  /** The open block of that index; one of another kind is over. */
  #block(index: number, kind: 'text' | 'reasoning', out: StreamEvent[]): OpenBlock {
    const known = this.#open.get(index);
    if (known?.kind === kind) return known;
    this.stop(index, out);
    const empty =
      kind === 'text' ? build.textPart('') : build.part({ case: 'reasoning', value: build.reasoning('') });
    return this.#begin(index, kind, empty, out);
  }

  #begin(index: number, kind: Kind, empty: Part, out: StreamEvent[]): OpenBlock {
    const block = newBlock(kind, this.#next++, '', {});
    this.#open.set(index, block);
    out.push(buildEvent.partStarted(0, block.part, empty));
    return block;
  }

  #hold(value: unknown): void {
    this.#held += JSON.stringify(value ?? null).length;
  }

  #state({ signature, redacted }: OpenBlock): Part | undefined {
    if (signature === '' && redacted.length === 0) return undefined;
    const format = reasoningFormat(this.#traits);
    const value = build.reasoning('', { signature, encrypted: joinBase64(redacted), format });
    return build.part({ case: 'reasoning', value });
  }

  /** A block as it would have come whole. */
  #heldPart({ name, start, pieces }: OpenBlock): Part {
    switch (name) {
      case 'image': {
        const sources = pieces.filter(isObject).map(({ source }) => source);
        const bytes = sources.map((source) => (isObject(source) ? source['bytes'] : undefined));
        if (!bytes.every((piece) => typeof piece === 'string'))
          return opaque(name, { image: { ...start, deltas: pieces } });
        const image = { ...start, source: { bytes: joinBase64(bytes) } };
        return decodeBlock({ image }, 0, { traits: this.#traits, idOf: () => '' });
      }
      case 'toolUse': {
        const text = pieces.map((piece) => (isObject(piece) ? (piece['input'] ?? '') : '')).join('');
        return opaque(name, { toolUse: { ...start, input: parsed(text) } });
      }
      case 'toolResult':
        return opaque(name, { toolResult: { ...start, content: pieces.flat() } });
      default:
        return opaque(name, { [name]: { ...start, ...(pieces.length > 0 ? { deltas: pieces } : {}) } });
    }
  }
}

const callKeys: ReadonlySet<string> = new Set(['toolUseId', 'name']);

const newBlock = (kind: Kind, part: number, name: string, start: Json): OpenBlock => ({
  kind,
  part,
  length: 0,
  signature: '',
  redacted: [],
  name,
  start,
  pieces: [],
});

/** Base64 texts of pieces as the base64 text of the whole. One piece stays as it is. */
const joinBase64 = (pieces: readonly string[]): string =>
  pieces.length <= 1
    ? (pieces[0] ?? '')
    : Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64'))).toString('base64');

/** The input of a tool that the provider ran: an object, or the text where it is none. */
function parsed(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
