import {
  type ChoiceFinished,
  FinishReason,
  type PartDelta,
  type PartEnded,
  type PartStarted,
  type StreamStarted,
  type Usage,
} from '../../../gen/llmgateway/v1/completion_pb.js';
import type { StreamEvent } from '../../model/events.ts';
import { addMember, isObject, type Json, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { isOwn, messageId, withStopMembers } from './encode-response.ts';
import { encodeStopReason } from './encode-stop-reason.ts';
import { type BlockNumbers, frame, StreamBlock } from './encode-stream-block.ts';
import { encodeUsage } from './encode-usage.ts';

/** A part that has begun and is not written to its end yet. */
interface OpenPart {
  readonly block: StreamBlock;
  /** What came while an earlier part was still open. */
  readonly waiting: (PartDelta | PartEnded)[];
}

/**
 * Writes the events of a stream as Anthropic's, as text of an SSE stream: one string for each batch.
 *
 * Parts may overlap in the model (parallel tool calls), blocks may not: what comes of a later part waits until the earlier
 * ones have ended. It is bounded by what the whole answer may be.
 */
export class MessagesStreamEncoder {
  /** In order of appearance; the first one is being written. */
  readonly #open = new Map<number, OpenPart>();
  /** Number of that first part. */
  #first = -1;
  readonly #numbers: BlockNumbers = { next: 0 };
  /** The stream's beginning, until it is written. */
  #started: StreamStarted | null = null;
  /** Members of this dialect's own for the first and the last frame. */
  #startMembers = '';
  #endDelta = '';
  #endMembers = '';
  #finish: ChoiceFinished | null = null;
  #refused = false;
  /** The answer is Anthropic's. */
  #own = false;

  encode(batch: readonly StreamEvent[]): string {
    let frames = '';
    for (let i = 0; i < batch.length; i++) {
      const { event } = batch[i] as StreamEvent;
      switch (event.case) {
        case 'delta':
          if (event.value.choice === 0) frames += this.#begun() + this.#grow(event.value);
          break;
        case 'started':
          this.#started = event.value;
          break;
        case 'partStarted':
          if (event.value.choice === 0) frames += this.#begun() + this.#start(event.value);
          break;
        case 'partEnded':
          if (event.value.choice === 0) frames += this.#begun() + this.#end(event.value);
          break;
        case 'choiceFinished':
          if (event.value.choice === 0) this.#finish = event.value;
          break;
        case 'finished':
          frames += this.#begun() + this.#finished(event.value.usage);
          break;
        case 'opaque':
          if (event.value.dialect === dialectName) frames += this.#opaque(event.value.json);
          break;
        default:
        // The gateway's own tools have no place on this wire.
      }
    }
    return frames + this.#begun();
  }

  /** The first frame, once. What a provider read is mostly known only at the end; until then it counts as nothing. */
  #begun(): string {
    if (this.#started === null) return '';
    const { id, model } = this.#started;
    this.#started = null;
    const usage = this.#startMembers.includes('"usage":') ? '' : `,"usage":${encodeUsage(undefined)}`;
    return frame(
      'message_start',
      `"message":{"id":${quote(messageId(id))},"type":"message","role":"assistant","model":${quote(model)},"content":[],` +
        `"stop_reason":null,"stop_sequence":null${usage}${rest(this.#startMembers)}}`,
    );
  }

  #start({ part, content }: PartStarted): string {
    if (content === undefined) return '';
    this.#refused ||= content.content.case === 'refusal';
    this.#own ||= isOwn(content.extras);
    const block = new StreamBlock(content, this.#numbers);
    this.#open.set(part, { block, waiting: [] });
    if (this.#open.size > 1) return '';
    this.#first = part;
    return block.begin();
  }

  #grow(delta: PartDelta): string {
    const open = this.#open.get(delta.part);
    if (open === undefined) return '';
    if (delta.part === this.#first) return open.block.grow(delta);
    open.waiting.push(delta);
    return '';
  }

  #end(ended: PartEnded): string {
    const open = this.#open.get(ended.part);
    if (open === undefined) return '';
    if (ended.part !== this.#first) {
      open.waiting.push(ended);
      return '';
    }
    this.#open.delete(ended.part);
    return open.block.end(ended) + this.#next();
  }

  /** The next part's turn: all that waits of it, and of those after it when it has ended already. */
  #next(): string {
    let frames = '';
    for (const [part, { block, waiting }] of this.#open) {
      this.#first = part;
      frames += block.begin();
      let over = false;
      for (const event of waiting) {
        over = event.$typeName === 'llmgateway.v1.PartEnded';
        frames += event.$typeName === 'llmgateway.v1.PartEnded' ? block.end(event) : block.grow(event);
      }
      waiting.length = 0;
      if (!over) break;
      this.#open.delete(part);
    }
    return frames;
  }

  #finished(usage: Usage | undefined): string {
    const { finishReason = FinishReason.UNSPECIFIED, nativeFinishReason = '' } = this.#finish ?? {};
    const own = this.#own || isOwn(usage?.extras);
    const stop = encodeStopReason({ finishReason, nativeFinishReason, refused: this.#refused, own });
    return (
      frame(
        'message_delta',
        `"delta":{"stop_reason":${stop}${withStopMembers(this.#endDelta)}},"usage":${encodeUsage(usage)}${rest(this.#endMembers)}`,
      ) + frame('message_stop', '')
    );
  }

  /** What of Anthropic's stream has no event: members of its first and last frames, or a frame of a kind not known here. */
  #opaque(text: string): string {
    this.#own = true;
    const json = JSON.parse(text) as Json;
    switch (json['type']) {
      case 'message_start':
        if (isObject(json['message'])) this.#startMembers = add(this.#startMembers, json['message']);
        return '';
      case 'message_delta': {
        const { type: _type, delta, ...more } = json;
        if (isObject(delta)) this.#endDelta = add(this.#endDelta, delta);
        this.#endMembers = add(this.#endMembers, more);
        return '';
      }
      case 'content_block_start':
      case 'content_block_delta':
      case 'content_block_stop': {
        const [open] = this.#open.values();
        const index = open?.block.index ?? -1;
        return index < 0 ? '' : this.#begun() + this.#frame({ ...json, index });
      }
      case undefined:
        // Members of a whole message, of an upstream that answered so.
        this.#endDelta = add(this.#endDelta, json);
        return '';
      default:
        return this.#begun() + this.#frame(json);
    }
  }

  #frame(json: Json): string {
    const { type, ...more } = json;
    const name = typeof type === 'string' && /^\w+$/.test(type) ? type : '';
    return name === '' ? '' : frame(name, add('', more));
  }
}

function add(members: string, more: Json): string {
  let all = members;
  for (const key in more) all = addMember(all, key, more[key]);
  return all;
}
