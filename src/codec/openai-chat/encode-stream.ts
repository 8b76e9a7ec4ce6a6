import type {
  ChoiceFinished,
  PartDelta,
  PartEnded,
  PartStarted,
  StreamStarted,
  Usage,
} from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Part, ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import type { StreamEvent } from '../../model/events.ts';
import { isPicture, isPictureSignature, pictureId } from '../../model/picture-signatures.ts';
import { addMember, addText, isObject, type Json, quote, rest } from '../json.ts';
import { encodeAnnotations } from './annotations.ts';
import { encodeAnswerImage } from './answer-images.ts';
import { dialectName } from './dialect.ts';
import { ownMembers } from './extras.ts';
import { encodeFinish } from './finish.ts';
import { encodeLogprobs } from './logprobs.ts';
import { encodeDetail, encodeSignature, isOpaqueDetail } from './reasoning.ts';
import { encodeUsage } from './usage.ts';

export interface StreamEncoderOptions {
  /** The client asked for a last chunk with the usage. */
  readonly includeUsage: boolean;
}

/** One of `images`. */
interface Picture {
  readonly place: number;
  readonly part: Part;
}

/** What is remembered of a part until it ends. */
interface OpenPart {
  readonly content: Part['content'];
  /** Number among the choice's tool calls. */
  readonly toolIndex: number;
  /** The picture right before it. */
  readonly picture: Picture | null;
  /** Readable reasoning so far: its state, when it comes, is told together with the whole of it. */
  reasoning: string;
  /** Characters of the answer's text before it. */
  readonly said: number;
}

class ChoiceState {
  readonly parts: OpenPart[] = [];
  role = false;
  /** Characters of text. */
  said = 0;
  tools = 0;
  details = 0;
  pictures = 0;
  /** The last part, where that is a picture. */
  picture: Picture | null = null;
}

/** Writes the events of a stream as OpenAI's chunks, as text of an SSE stream: one string for each batch. */
export class ChatStreamEncoder {
  readonly #includeUsage: boolean;
  readonly #choices: ChoiceState[] = [];
  /** Unknown members of the provider's chunks, for the next one that is written. */
  #members = '';
  /** The same in every chunk of a stream, so made once. */
  #prefix = '';
  readonly #suffix: string;

  constructor({ includeUsage }: StreamEncoderOptions) {
    this.#includeUsage = includeUsage;
    this.#suffix = includeUsage ? ',"usage":null}\n\n' : '}\n\n';
  }

  encode(batch: readonly StreamEvent[]): string {
    let frames = '';
    for (let i = 0; i < batch.length; i++) {
      const { event } = batch[i] as StreamEvent;
      switch (event.case) {
        case 'delta':
          frames += this.#delta(event.value);
          break;
        case 'started':
          this.#start(event.value);
          break;
        case 'partStarted':
          frames += this.#partStarted(event.value);
          break;
        case 'partEnded':
          frames += this.#partEnded(event.value);
          break;
        case 'choiceFinished':
          frames += this.#choiceFinished(event.value);
          break;
        case 'finished':
          frames += this.#finished(event.value.usage);
          break;
        case 'opaque':
          if (event.value.dialect === dialectName) frames += this.#opaque(event.value.json);
          break;
        default:
        // The gateway's own tools have no place on this wire.
      }
    }
    return frames;
  }

  #start({ id, model, createdAt, serviceTier, systemFingerprint }: StreamStarted): void {
    const tier = serviceTier === '' ? '' : `,"service_tier":${quote(serviceTier)}`;
    const fingerprint = systemFingerprint === '' ? '' : `,"system_fingerprint":${quote(systemFingerprint)}`;
    this.#prefix =
      `data: {"id":${quote(id)},"object":"chat.completion.chunk","created":${createdAt},` +
      `"model":${quote(model)}${tier}${fingerprint}`;
  }

  #choice(index: number): ChoiceState {
    return (this.#choices[index] ??= new ChoiceState());
  }

  /** One chunk. The first of a choice tells the role. */
  #chunk(index: number, delta: string, more = ',"logprobs":null,"finish_reason":null'): string {
    const choice = this.#choice(index);
    let members = delta;
    if (!choice.role) {
      choice.role = true;
      const content = delta.startsWith('"content":')
        ? ''
        : /^"(?:tool_calls":|function_call":|reasoning_)/.test(delta)
          ? ',"content":null'
          : ',"content":""';
      members = `"role":"assistant"${content}${rest(delta)}`;
    }
    return `${this.#prefix},"choices":[{"index":${index},"delta":{${members}}${more}}]${this.#takeMembers()}${this.#suffix}`;
  }

  #partStarted({ choice: index, part, content: started }: PartStarted): string {
    const choice = this.#choice(index);
    const content = started?.content ?? { case: undefined };
    const toolIndex = content.case === 'toolCall' ? choice.tools++ : 0;
    const { picture } = choice;
    choice.parts[part] = { content, toolIndex, picture, reasoning: '', said: choice.said };
    const shown = started !== undefined && isPicture(started);
    choice.picture = shown ? { place: choice.pictures++, part: started } : null;
    if (started === undefined) return '';
    switch (content.case) {
      case 'toolCall': {
        const { id, name, custom, legacy, arguments: args } = content.value;
        if (legacy) {
          const call = `{"name":${quote(name)},"arguments":${quote(args)}}`;
          return this.#chunk(index, `"function_call":${call}`);
        }
        const type = custom ? 'custom' : 'function';
        const body = `"${type}":{"name":${quote(name)},"${custom ? 'input' : 'arguments'}":${quote(args)}}`;
        return this.#chunk(
          index,
          `"tool_calls":[{"index":${toolIndex},"id":${quote(id)},"type":"${type}",${body}}]`,
        );
      }
      case 'text':
        choice.said += content.value.text.length;
        return content.value.text === '' ? '' : this.#chunk(index, `"content":${quote(content.value.text)}`);
      case 'refusal':
        return content.value.text === '' ? '' : this.#chunk(index, `"refusal":${quote(content.value.text)}`);
      case 'reasoning':
        return this.#reasoningStarted(index, content.value, started, picture);
      case 'image': {
        const image = encodeAnswerImage(started);
        return image === '' ? '' : this.#chunk(index, `"images":[${image}]`);
      }
      case 'opaque':
        return isOpaqueDetail(started) ? this.#details(index, content.value.json, 1) : '';
      default:
        return '';
    }
  }

  #reasoningStarted(index: number, value: ReasoningPart, part: Part, picture: Picture | null): string {
    const { text, signature, encrypted } = value;
    const frames = text === '' ? '' : this.#chunk(index, `"reasoning_content":${quote(text)}`);
    return signature === '' && encrypted === ''
      ? frames
      : frames + this.#state(index, value, part.extras, picture);
  }

  /** @param picture the one right before the part */
  #state(index: number, value: ReasoningPart, extras: Part['extras'], picture: Picture | null): string {
    const { details } = this.#choice(index);
    if (picture !== null && isPictureSignature(value)) {
      const id = pictureId(picture.place, picture.part);
      return this.#details(index, encodeSignature(id, value.signature, details), 1);
    }
    const { json, count } = encodeDetail(value, details, ownMembers(extras));
    return this.#details(index, json, count);
  }

  #details(index: number, json: string, count: number): string {
    this.#choice(index).details += count;
    return this.#chunk(index, `"reasoning_details":[${json}]`);
  }

  #delta({ choice: index, part, text, transcript, annotations, logprobs }: PartDelta): string {
    const choice = this.#choice(index);
    const open = choice.parts[part];
    const more =
      logprobs === undefined ? undefined : `,"logprobs":${encodeLogprobs(logprobs)},"finish_reason":null`;
    switch (open?.content.case) {
      case 'text': {
        const sources =
          annotations.length === 0 ? '' : `,"annotations":[${encodeAnnotations(annotations, open.said)}]`;
        choice.said += text.length;
        return this.#chunk(index, `"content":${quote(text)}${sources}`, more);
      }
      case 'toolCall': {
        const { custom, legacy } = open.content.value;
        if (legacy) return this.#chunk(index, `"function_call":{"arguments":${quote(text)}}`, more);
        const body = custom ? `"custom":{"input":${quote(text)}}` : `"function":{"arguments":${quote(text)}}`;
        return this.#chunk(index, `"tool_calls":[{"index":${open.toolIndex},${body}}]`, more);
      }
      case 'reasoning':
        open.reasoning += text;
        return this.#chunk(index, `"reasoning_content":${quote(text)}`, more);
      case 'refusal':
        return this.#chunk(index, `"refusal":${quote(text)}`, more);
      case 'audio': {
        const sound = text === '' ? '' : `"data":${quote(text)}`;
        const spoken = transcript === '' ? '' : `${sound === '' ? '' : ','}"transcript":${quote(transcript)}`;
        return this.#chunk(index, `"audio":{${sound}${spoken}}`, more);
      }
      default:
        return '';
    }
  }

  #partEnded({ choice: index, part, final }: PartEnded): string {
    const choice = this.#choice(index);
    const open = choice.parts[part];
    // Texts can be long and choices many: what has ended is let go.
    delete choice.parts[part];
    const content = final?.content;
    switch (content?.case) {
      case 'reasoning': {
        const whole = { ...content.value, text: open?.reasoning ?? '' };
        return this.#state(index, whole, final?.extras, open?.picture ?? null);
      }
      case 'toolCall': {
        const { id, signature } = content.value;
        return signature === ''
          ? ''
          : this.#details(index, encodeSignature(id, signature, choice.details), 1);
      }
      case 'audio': {
        const { answerId, expiresAt } = content.value;
        let members = answerId === '' ? '' : addText('', 'id', quote(answerId));
        if (expiresAt !== undefined) members = addText(members, 'expires_at', String(expiresAt));
        const own = ownMembers(final?.extras);
        if (own !== '') members = members === '' ? own : `${members},${own}`;
        return members === '' ? '' : this.#chunk(index, `"audio":{${members}}`);
      }
      default:
        return '';
    }
  }

  #choiceFinished({ choice, finishReason, nativeFinishReason }: ChoiceFinished): string {
    const native = nativeFinishReason === '' ? '' : `,"native_finish_reason":${quote(nativeFinishReason)}`;
    return this.#chunk(choice, '', `,"logprobs":null,"finish_reason":${encodeFinish(finishReason)}${native}`);
  }

  #finished(usage: Usage | undefined): string {
    const counted = this.#includeUsage && usage !== undefined;
    // Clients that did not ask for usage expect a choice in every chunk; only what comes after all of them has none.
    const last =
      counted || this.#members !== ''
        ? `${this.#prefix},"choices":[]${this.#takeMembers()}${counted ? `,"usage":${encodeUsage(usage)}` : ''}}\n\n`
        : '';
    return `${last}data: [DONE]\n\n`;
  }

  /** `,` and the members that wait, or nothing. */
  #takeMembers(): string {
    if (this.#members === '') return '';
    const members = `,${this.#members}`;
    this.#members = '';
    return members;
  }

  #keepMembers(members: string): void {
    if (members === '' || this.#members === '') this.#members += members;
    else {
      const both = { ...JSON.parse(`{${this.#members}}`), ...JSON.parse(`{${members}}`) };
      this.#members = JSON.stringify(both).slice(1, -1);
    }
  }

  /** What of a frame of the provider's has no event: members of the chunk go along with the next one, those of choices in their own. */
  #opaque(text: string): string {
    if (!text.includes('"choices"')) {
      this.#keepMembers(text.trim().slice(1, -1).trim());
      return '';
    }
    const json = JSON.parse(text) as Json;
    let members = '';
    for (const key in json) if (key !== 'choices') members = addMember(members, key, json[key]);
    this.#keepMembers(members);
    let frames = '';
    const choices = Array.isArray(json['choices']) ? json['choices'] : [];
    for (const choice of choices) if (isObject(choice)) frames += this.#opaqueChoice(choice);
    return frames;
  }

  #opaqueChoice(json: Json): string {
    const index = typeof json['index'] === 'number' ? json['index'] : 0;
    let delta = '';
    let more = '"logprobs":null,"finish_reason":null';
    for (const key in json) {
      const value = json[key];
      if (key === 'delta') {
        if (isObject(value)) delta = JSON.stringify(value).slice(1, -1);
      } else if (key !== 'index' && key !== 'finish_reason') more = addMember(more, key, value);
    }
    return this.#chunk(index, delta, `,${more}`);
  }
}
