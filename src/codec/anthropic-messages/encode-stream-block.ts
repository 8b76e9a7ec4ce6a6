import type { PartDelta, PartEnded } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Part, ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import { isObject, type Json, quote, rest } from '../json.ts';
import { ArgumentPieces } from '../tool-arguments.ts';
import { encodeCitation } from './citations.ts';
import { dialectName } from './dialect.ts';
import { encodeAnswerBlock, encodeToolUse, redactedBlock, signatureOf } from './encode-answer-blocks.ts';
import { ownMembers } from './extras.ts';

/** One frame of the stream. */
export const frame = (type: string, members: string): string =>
  `event: ${type}\ndata: {"type":"${type}"${rest(members)}}\n\n`;

/** Gives blocks their indexes, without a gap: a part that comes to nothing has none. */
export interface BlockNumbers {
  next: number;
}

/** The content block that one part of a streamed answer becomes. Blocks come one after another; see MessagesStreamEncoder. */
export class StreamBlock {
  readonly #part: Part;
  readonly #numbers: BlockNumbers;
  /** -1 until the block has begun. */
  #index = -1;
  #prefix = '';
  readonly #input: ArgumentPieces | null;

  constructor(part: Part, numbers: BlockNumbers) {
    this.#part = part;
    this.#numbers = numbers;
    this.#input = part.content.case === 'toolCall' ? new ArgumentPieces(part.content.value) : null;
  }

  /** Index of the block; -1 when it has not begun. */
  get index(): number {
    return this.#index;
  }

  /** The first frames. Texts and thoughts begin with their first piece, so that none is empty. */
  begin(): string {
    const { content } = this.#part;
    switch (content.case) {
      case 'text':
      case 'refusal':
        return this.#text(content.value.text);
      case 'reasoning': {
        const redacted = redactedBlock(content.value, ownMembers(this.#part.extras));
        return redacted === ''
          ? this.#thought(content.value.text) + this.#sign(content.value)
          : this.#open(redacted);
      }
      case 'toolCall': {
        const call = content.value;
        return (
          this.#open(encodeToolUse(call, '{}', ownMembers(this.#part.extras))) + this.#args(call.arguments)
        );
      }
      case 'opaque':
        return content.value.dialect === dialectName ? this.#whole(content.value.json) : '';
      case 'image': {
        const block = encodeAnswerBlock(this.#part);
        return block === '' ? '' : this.#open(block);
      }
      default:
        return '';
    }
  }

  grow({ text, transcript, annotations }: PartDelta): string {
    const { content } = this.#part;
    switch (content.case) {
      case 'text': {
        let frames = this.#text(text);
        for (const annotation of annotations) {
          const citation = encodeCitation(annotation, '');
          if (citation === '') continue;
          frames += this.#opened(emptyText) + this.#delta('citations_delta', 'citation', citation);
        }
        return frames;
      }
      case 'refusal':
        return this.#text(text);
      case 'audio':
        return this.#text(transcript);
      case 'reasoning':
        return this.#thought(text);
      case 'toolCall':
        return this.#args(text);
      default:
        return '';
    }
  }

  end({ final }: Pick<PartEnded, 'final'>): string {
    const { content } = this.#part;
    let frames = '';
    if (content.case === 'reasoning' && final?.content.case === 'reasoning') {
      frames += this.#finalThought(final.content.value, ownMembers(final.extras));
    }
    if (this.#input !== null) frames += this.#json(this.#input.end());
    return this.#index < 0 ? '' : `${frames}${frame('content_block_stop', `"index":${this.#index}`)}`;
  }

  #open(block: string): string {
    this.#index = this.#numbers.next++;
    this.#prefix = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":"`;
    return frame('content_block_start', `"index":${this.#index},"content_block":${block}`);
  }

  /** @param block begins it, with `}` and the part's own members to follow */
  #opened(block: string): string {
    return this.#index < 0 ? this.#open(`${block}${rest(ownMembers(this.#part.extras))}}`) : '';
  }

  /** @param value JSON text */
  #delta(type: string, key: string, value: string): string {
    return `${this.#prefix}${type}","${key}":${value}}}\n\n`;
  }

  #text(text: string): string {
    return text === '' ? '' : this.#opened(emptyText) + this.#delta('text_delta', 'text', quote(text));
  }

  #thought(text: string): string {
    return text === ''
      ? ''
      : this.#opened(emptyThought) + this.#delta('thinking_delta', 'thinking', quote(text));
  }

  #sign(value: ReasoningPart): string {
    const signature = signatureOf(value);
    return signature === ''
      ? ''
      : this.#opened(emptyThought) + this.#delta('signature_delta', 'signature', quote(signature));
  }

  #finalThought(value: ReasoningPart, members: string): string {
    if (this.#index >= 0) return this.#sign(value);
    const redacted = redactedBlock(value, members);
    return redacted === '' ? this.#sign(value) : this.#open(redacted);
  }

  #json(piece: string): string {
    return piece === '' ? '' : this.#delta('input_json_delta', 'partial_json', quote(piece));
  }

  /** A piece of a call's arguments. */
  #args(piece: string): string {
    return this.#json(this.#input?.add(piece) ?? '');
  }

  /** A block of this dialect's own. Its input, if it has one, comes as deltas do, because that is where clients look for it. */
  #whole(json: string): string {
    const block = JSON.parse(json) as Json;
    const { input } = block;
    if (!isObject(input) || Object.keys(input).length === 0) return this.#open(json);
    return this.#open(JSON.stringify({ ...block, input: {} })) + this.#json(JSON.stringify(input));
  }
}

const emptyText = '{"type":"text","text":""';
const emptyThought = '{"type":"thinking","thinking":"","signature":""';
