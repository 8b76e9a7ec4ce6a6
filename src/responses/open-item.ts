import type { Logprobs, PartDelta, TokenLogprob } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { type Item, ItemPartKind, type ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { toExtras } from '../codec/openai-responses/extras.ts';
import { encodeLogprobs } from '../codec/openai-responses/logprobs.ts';
import { grow, growingCopy } from '../model/growing-part.ts';

/** An event without its number. */
export type EventKind = ResponseEvent['event'];

/** A part of an output item while it grows. */
export interface OpenPart {
  readonly kind: ItemPartKind;
  /** Number within the item, from its announcement on: what is never announced takes no place. */
  index: number;
  /** As far as it came. */
  readonly part: Part;
  readonly logprobs: TokenLogprob[];
  annotations: number;
  /** Whether its beginning has been told. */
  announced: boolean;
  ended: boolean;
}

/** An output item that is not complete. */
export class OpenItem {
  readonly item: Item;
  readonly outputIndex: number;
  /** By their number in the answer. */
  readonly parts = new Map<number, OpenPart>();
  /** In the order in which they were announced, or ended without. */
  readonly #told: OpenPart[] = [];
  #texts = 0;
  #summaries = 0;

  constructor(item: Item, outputIndex: number) {
    this.item = item;
    this.outputIndex = outputIndex;
  }

  /** Whether nothing of it grows any more. */
  get settled(): boolean {
    for (const { ended } of this.parts.values()) if (!ended) return false;
    return true;
  }

  /** What it has to say, in the order of its parts' numbers. */
  get contents(): OpenPart[] {
    const untold = [...this.parts.values()].filter((part) => !this.#told.includes(part));
    return [...this.#told, ...untold];
  }

  /** A part of it begins. @param number its number in the answer */
  open(number: number, content: Part, kind: ItemPartKind): OpenPart {
    const part: OpenPart = {
      kind,
      index: 0,
      part: growingCopy(content),
      logprobs: [],
      annotations: 0,
      announced: false,
      ended: false,
    };
    this.parts.set(number, part);
    return part;
  }

  started(open: OpenPart): EventKind {
    open.announced = true;
    open.index = open.kind === ItemPartKind.SUMMARY ? this.#summaries++ : this.#texts++;
    this.#told.push(open);
    return {
      case: 'partStarted',
      value: {
        $typeName: 'llmgateway.v1.ItemPartStarted',
        outputIndex: this.outputIndex,
        contentIndex: open.index,
        part: growingCopy(open.part),
        itemId: this.item.id,
        kind: open.kind,
      },
    };
  }

  /** What a delta says, one thing an event. */
  grown(open: OpenPart, delta: PartDelta): EventKind[] {
    const { text, transcript, annotations, logprobs } = delta;
    const events: EventKind[] = [];
    if (text !== '' || transcript !== '' || logprobs !== undefined) {
      events.push(this.#delta(open, annotations.length === 0 ? delta : { ...delta, annotations: [] }));
    }
    for (const annotation of annotations) {
      const { logprobs: _, ...rest } = delta;
      events.push(this.#delta(open, { ...rest, text: '', transcript: '', annotations: [annotation] }));
      open.annotations++;
    }
    if (delta.logprobs !== undefined) open.logprobs.push(...tokensOf(delta.logprobs));
    grow(open.part, delta);
    return events;
  }

  /** The part does not grow any more. */
  ended(open: OpenPart): EventKind[] {
    open.ended = true;
    if (!open.announced) this.#told.push(open);
    if (open.logprobs.length > 0) {
      open.part.extras = toExtras(`"logprobs":${encodeLogprobs(open.logprobs)}`);
    }
    const value = {
      $typeName: 'llmgateway.v1.ItemPartEnded',
      outputIndex: this.outputIndex,
      contentIndex: open.index,
      part: open.part,
      itemId: this.item.id,
      kind: open.kind,
    } as const;
    // The arguments of a call are no part of it: they are its own.
    if (isOwn(open.kind)) return [{ case: 'textEnded', value }];
    if (!open.announced) return [];
    const whole: EventKind = { case: 'partEnded', value };
    return open.kind === ItemPartKind.WHOLE ? [whole] : [{ case: 'textEnded', value }, whole];
  }

  #delta(open: OpenPart, delta: PartDelta): EventKind {
    return {
      case: 'delta',
      value: {
        $typeName: 'llmgateway.v1.ItemPartDelta',
        outputIndex: this.outputIndex,
        delta: { ...delta, choice: 0, part: open.index },
        itemId: this.item.id,
        kind: open.kind,
        annotationIndex: open.annotations,
      },
    };
  }
}

/** Whether what grows is the item's own, not told as a part of it. */
export const isOwn = (kind: ItemPartKind): boolean =>
  kind === ItemPartKind.ARGUMENTS || kind === ItemPartKind.INPUT;

/** What a part of an answer is in an item. */
export function kindOf({ content }: Part, { kind: item }: Item): ItemPartKind {
  switch (content.case) {
    case 'text':
      return ItemPartKind.TEXT;
    case 'refusal':
      return ItemPartKind.REFUSAL;
    case 'reasoning':
      return content.value.summary || (item.case === 'reasoning' && item.value.shownAsSummary)
        ? ItemPartKind.SUMMARY
        : ItemPartKind.REASONING;
    case 'toolCall':
      return content.value.custom ? ItemPartKind.INPUT : ItemPartKind.ARGUMENTS;
    case 'audio':
      return ItemPartKind.AUDIO;
    default:
      return ItemPartKind.WHOLE;
  }
}

const tokensOf = ({ content, refusal }: Logprobs): readonly TokenLogprob[] =>
  content.length > 0 ? content : refusal;

/** Puts a part that does not grow any more into its item. */
export function settle(item: Item, { part }: OpenPart): void {
  const { kind } = item;
  const { content } = part;
  if (kind.case === 'message') kind.value.parts.push(part);
  else if (kind.case === 'toolCall' && content.case === 'toolCall') {
    const { extras } = part;
    item.kind = { case: 'toolCall', value: content.value };
    if (extras !== undefined && item.extras === undefined) item.extras = extras;
  } else if (kind.case === 'reasoning' && content.case === 'reasoning') {
    const { encrypted, format, text, signature } = content.value;
    const isOwn = format === 'openai-responses-v1';
    if (isOwn && encrypted !== '') kind.value.encryptedContent = encrypted;
    if (text !== '' || signature !== '' || (!isOwn && encrypted !== '')) {
      kind.value.parts.push(isOwn ? { ...content.value, encrypted: '' } : content.value);
    }
  }
}
