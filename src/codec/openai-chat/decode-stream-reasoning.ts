import type { Part, ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import { isSignatureById } from '../../model/picture-signatures.ts';
import { isObject } from '../json.ts';
import { decodeDetail } from './reasoning.ts';

/** More details in one answer are nonsense. */
const maxDetails = 4_096;

/** What a detail adds to the readable reasoning. */
export interface Thought {
  readonly text: string;
  /** It does not go on with what is signed already: the reasoning before it has ended. */
  readonly begins: boolean;
}

/** The opaque state of one choice's reasoning, gathered from the fragments of its details. */
export class ReasoningState {
  /** By their index, in order of appearance; what is taken is gone. */
  readonly #details = new Map<number, Part>();

  /**
   * Takes a detail of a chunk.
   * @param position its place among the chunk's details
   * @param told the readable reasoning so far: a gateway like this one tells it again as a whole, with its state
   */
  add(json: unknown, position: number, told: string): Thought {
    const index = isObject(json) && typeof json['index'] === 'number' ? json['index'] : position;
    const part = decodeDetail(json, index);
    if (part === null) return { text: '', begins: false };
    let text = '';
    if (part.content.case === 'reasoning') {
      const { value } = part.content;
      if (!isRepetition(value, told)) text = value.text;
      value.text = '';
    }
    const begins = text !== '' && told !== '' && this.#readable() !== index && this.signed;
    this.#merge(index, part);
    return { text, begins };
  }

  /** State of the readable reasoning that ends now; undefined when there is none. */
  takeFinal(): Part | undefined {
    const index = this.#readable();
    const part = index === undefined ? undefined : this.#details.get(index);
    if (index === undefined || part?.content.case !== 'reasoning') return undefined;
    this.#details.delete(index);
    const { signature, id, format, summary } = part.content.value;
    return signature === '' && id === '' && format === '' && !summary ? undefined : part;
  }

  /** State that belongs to no readable reasoning, but for that of calls and pictures: they may be still to come. */
  takeOpaque(): Part[] {
    const taken: Part[] = [];
    for (const [index, part] of this.#details) {
      const { content } = part;
      if (isSignatureById(part) || (content.case === 'reasoning' && content.value.encrypted === '')) continue;
      this.#details.delete(index);
      taken.push(part);
    }
    return taken;
  }

  /** All that is left at the end. */
  takeRest(): Part[] {
    const rest = [...this.#details.values()].filter(
      ({ content }) =>
        content.case !== 'reasoning' || content.value.encrypted !== '' || content.value.signature !== '',
    );
    this.#details.clear();
    return rest;
  }

  /** Whether the readable reasoning that grows is signed, and so complete. */
  get signed(): boolean {
    const index = this.#readable();
    const content = index === undefined ? undefined : this.#details.get(index)?.content;
    return content?.case === 'reasoning' && content.value.signature !== '';
  }

  /** Whether the readable reasoning that grows is a summary, as far as its state says. */
  get isSummary(): boolean {
    const index = this.#readable();
    const content = index === undefined ? undefined : this.#details.get(index)?.content;
    return content?.case === 'reasoning' && content.value.summary;
  }

  /** Index of the readable reasoning that grows; undefined where it has no state yet. */
  #readable(): number | undefined {
    for (const [index, { content }] of this.#details) {
      if (content.case === 'reasoning' && content.value.encrypted === '') return index;
    }
    return undefined;
  }

  #merge(index: number, part: Part): void {
    const known = this.#details.get(index);
    if (known?.content.case !== 'reasoning' || part.content.case !== 'reasoning') {
      if (this.#details.size < maxDetails)
        this.#details.set(this.#details.has(index) ? this.#free() : index, part);
      return;
    }
    const into = known.content.value;
    const from = part.content.value;
    const encryptedAlone = (into.encrypted === '') !== (from.encrypted === '');
    if (encryptedAlone && (into.summary || from.summary || into.signature !== '')) {
      this.#details.set(this.#free(), part);
      return;
    }
    into.summary ||= from.summary;
    into.signature += from.signature;
    into.encrypted += from.encrypted;
    if (from.id !== '') into.id = from.id;
    if (from.format !== '') into.format = from.format;
    if (part.extras !== undefined) known.extras = part.extras;
  }

  #free(): number {
    let index = this.#details.size;
    while (this.#details.has(index)) index++;
    return index;
  }
}

/** A fragment that happens to equal all before it is short and has no state. */
const isRepetition = ({ text, signature, id }: ReasoningPart, told: string): boolean =>
  text !== '' && text === told && (signature !== '' || id !== '' || text.length >= 32);
