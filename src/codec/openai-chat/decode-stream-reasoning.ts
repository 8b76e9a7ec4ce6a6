import type { Part, ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import { isObject } from '../json.ts';
import { decodeDetail } from './reasoning.ts';

/** More details in one answer are nonsense. */
const maxDetails = 4_096;

/** The opaque state of one choice's reasoning, gathered from the fragments of its details. */
export class ReasoningState {
  /** By their index; what is taken is gone. */
  readonly #details = new Map<number, Part>();

  /**
   * Takes the details of a chunk.
   * @param thought the chunk's plain reasoning
   * @param told the readable reasoning so far: a gateway like this one tells it again as a whole, with its state
   * @returns what the chunk adds to the readable reasoning: the plain one, else what the details say
   */
  add(details: readonly unknown[], thought: string, told: string): string {
    let readable = '';
    for (let i = 0; i < details.length; i++) {
      const json = details[i];
      const index = isObject(json) && typeof json['index'] === 'number' ? json['index'] : i;
      const part = decodeDetail(json, index);
      if (part === null) continue;
      if (part.content.case === 'reasoning') {
        const { value } = part.content;
        if (!isRepetition(value, told)) readable += value.text;
        value.text = '';
      }
      this.#merge(index, part);
    }
    return thought === '' ? readable : thought;
  }

  /** State of the readable reasoning that ends now; undefined when there is none. */
  takeFinal(): Part | undefined {
    for (const [index, part] of this.#details) {
      const { content } = part;
      if (content.case !== 'reasoning' || content.value.encrypted !== '') continue;
      this.#details.delete(index);
      const { signature, id, format, summary } = content.value;
      if (signature === '' && id === '' && format === '' && !summary) return undefined;
      return part;
    }
    return undefined;
  }

  /** State that belongs to no readable reasoning. */
  takeRest(): Part[] {
    const rest = [...this.#details.values()].filter(
      ({ content }) =>
        content.case !== 'reasoning' || content.value.encrypted !== '' || content.value.signature !== '',
    );
    this.#details.clear();
    return rest;
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
