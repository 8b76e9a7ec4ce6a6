import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { callId } from '../ids.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { type DecodedPart, decodePart, signaturePart } from './decode-parts.ts';
import { candidateKeys } from './decode-response.ts';
import { AudioJoiner } from './decode-stream-audio.ts';
import { decodeFinish } from './finish.ts';
import { type Citation, type CitedText, groundingCitations, quotedCitations } from './grounding.ts';
import { decodeLogprobs } from './logprobs.ts';

type Flow = 'text' | 'thought' | 'audio';

/** More calls in one answer are nonsense. */
const maxCalls = 4_096;
/** Texts are kept for citations, whose places are counted in bytes, up to this many characters. */
const maxKept = 4 * 1024 * 1024;
/** Bound of what is remembered of members that repeat. */
const maxTold = 64;

/** The parts of one candidate of a stream. Texts and thoughts grow over chunks; everything else comes whole. */
export class CandidateDecoder {
  readonly #completion: string;
  readonly #index: number;
  #flow: Flow | null = null;
  #part = 0;
  /** Number of the next part. */
  #next = 0;
  #calls = 0;
  #audio: AudioJoiner | null = null;
  /** Signature of the text or thought that grows. That of a text is told after it: its sources may come later still. */
  #signature = '';
  readonly #texts: { text: string; readonly partIndex: number; readonly part: number }[] = [];
  #kept = 0;
  /** Unknown members as told last: most repeat in every chunk. */
  readonly #told = new Map<string, string>();
  #word = '';
  #ended = false;
  #citations: { readonly grounding: unknown; readonly quoted: unknown } | null = null;

  /** @param completion id of the completion */
  constructor(completion: string, index: number) {
    this.#completion = completion;
    this.#index = index;
  }

  /** Whether there is a finish reason. More may come in spite of it. */
  get finished(): boolean {
    return this.#word !== '';
  }

  /** Takes a candidate of a chunk. @returns what of it has no event, as JSON text of a candidate; '' for nothing */
  push(json: Json, out: StreamEvent[]): string {
    if (this.#ended) return '';
    const content = json['content'];
    const parts = isObject(content) && Array.isArray(content['parts']) ? content['parts'] : [];
    for (const part of parts) this.#add(part, out);
    this.#addLogprobs(json['logprobsResult'], out);
    const word = json['finishReason'];
    if (typeof word === 'string' && word !== '' && this.#word === '') this.#word = word;
    const { groundingMetadata: grounding, citationMetadata: quoted } = json;
    // They may be cumulative: the last ones count.
    if (grounding !== undefined || quoted !== undefined) {
      this.#citations = {
        grounding: grounding ?? this.#citations?.grounding,
        quoted: quoted ?? this.#citations?.quoted,
      };
    }
    return this.#unknown(json);
  }

  #add(json: unknown, out: StreamEvent[]): void {
    const decoded = decodePart(json, () => callId(this.#completion, this.#index, this.#calls));
    const { kind, signature } = decoded;
    switch (kind) {
      case 'text':
      case 'thought':
      case 'audio':
        this.#grow(kind, decoded, out);
        break;
      case 'whole':
        this.#whole(decoded.part, out);
        break;
      default:
    }
    if (signature === '') return;
    const grows =
      this.#flow !== null && this.#flow === (kind === 'nothing' ? 'text' : kind) && this.#flow !== 'audio';
    if (grows && this.#signature === '') this.#signature = signature;
    else this.#whole(signaturePart(signature), out);
  }

  #grow(flow: Flow, { text, part }: DecodedPart, out: StreamEvent[]): void {
    if (text === '') return;
    // What a part says besides its text is told at its beginning, and what is signed does not grow.
    if (this.#flow !== flow || this.#signature !== '' || (flow === 'text' && part.extras !== undefined)) {
      this.#close(out);
      this.#open(flow, part, out);
    }
    if (flow === 'text') this.#keep(text);
    const told = flow === 'audio' ? (this.#audio as AudioJoiner).push(text) : text;
    if (told !== '') out.push(buildEvent.delta(this.#index, this.#part, told));
  }

  #open(flow: Flow, part: Part, out: StreamEvent[]): void {
    this.#flow = flow;
    this.#part = this.#next++;
    if (flow === 'text') this.#texts.push({ text: '', partIndex: this.#part, part: this.#part });
    if (flow === 'audio') this.#audio = new AudioJoiner();
    out.push(buildEvent.partStarted(this.#index, this.#part, seedOf(part)));
  }

  #keep(text: string): void {
    const last = this.#texts[this.#texts.length - 1];
    if (last === undefined || this.#kept > maxKept) return;
    this.#kept += text.length;
    last.text += text;
  }

  /** Ends the part that grows, with what is only known now. */
  #close(out: StreamEvent[]): void {
    const flow = this.#flow;
    if (flow === null) return;
    this.#flow = null;
    const state = this.#signature === '' ? undefined : signaturePart(this.#signature);
    this.#signature = '';
    if (this.#audio !== null) {
      const rest = this.#audio.end();
      this.#audio = null;
      if (rest !== '') out.push(buildEvent.delta(this.#index, this.#part, rest));
    }
    out.push(buildEvent.partEnded(this.#index, this.#part, flow === 'thought' ? state : undefined));
    if (flow === 'text' && state !== undefined) this.#whole(state, out);
  }

  #whole(part: Part, out: StreamEvent[]): void {
    this.#close(out);
    const { content } = part;
    if (content.case === 'toolCall' && ++this.#calls > maxCalls) return;
    const number = this.#next++;
    out.push(buildEvent.partStarted(this.#index, number, seedOf(part)));
    let final: Part | undefined;
    if (content.case === 'toolCall') {
      const { id, name, arguments: args, signature } = content.value;
      out.push(buildEvent.delta(this.#index, number, args));
      if (signature !== '') {
        final = build.part({ case: 'toolCall', value: build.toolCall(id, name, '', { signature }) });
      }
    } else if (content.case === 'reasoning') final = part;
    out.push(buildEvent.partEnded(this.#index, number, final));
  }

  /** Log probabilities belong to the text of their chunk, which is the last event, or to no text at all. */
  #addLogprobs(json: unknown, out: StreamEvent[]): void {
    const logprobs = decodeLogprobs(json);
    if (logprobs === undefined) return;
    const last = out[out.length - 1]?.event;
    const own =
      last?.case === 'delta' && last.value.choice === this.#index && last.value.logprobs === undefined;
    if (own && this.#flow === 'text') last.value.logprobs = logprobs;
    else {
      if (this.#flow !== 'text') {
        this.#close(out);
        this.#open('text', build.textPart(''), out);
      }
      out.push(buildEvent.delta(this.#index, this.#part, '', { logprobs }));
    }
  }

  #unknown(json: Json): string {
    let unknown = '';
    for (const key in json) {
      const value = json[key];
      if (candidateKeys.has(key) || value === null || value === undefined) continue;
      const text = JSON.stringify(value);
      if (this.#told.get(key) === text) continue;
      if (this.#told.size < maxTold) this.#told.set(key, text);
      unknown = addMember(unknown, key, value);
    }
    return unknown === '' ? '' : `{"index":${this.#index},${unknown}}`;
  }

  /** The answer has ended: tells of its sources, each with the text that it is of, and why it ended. */
  end(out: StreamEvent[]): void {
    if (this.#ended) return;
    this.#ended = true;
    const cited = this.#citations;
    if (cited !== null) this.#cite(cited.grounding, cited.quoted, out);
    this.#close(out);
    const { reason, native } = decodeFinish(this.#word, this.#calls > 0);
    out.push(buildEvent.choiceFinished(this.#index, reason, native));
  }

  #cite(grounding: unknown, quoted: unknown, out: StreamEvent[]): void {
    const texts = this.#cited();
    const citations = [...groundingCitations(grounding, texts), ...quotedCitations(quoted, texts)];
    if (citations.length === 0) return;
    const annotations = citations.map(({ annotation }: Citation) => annotation);
    const last = this.#texts[this.#texts.length - 1];
    if (this.#flow === 'text' && last?.part === this.#part) {
      out.push(buildEvent.delta(this.#index, this.#part, '', { annotations }));
      return;
    }
    this.#close(out);
    this.#open('text', build.textPart(''), out);
    out.push(buildEvent.delta(this.#index, this.#part, '', { annotations }));
  }

  /** All text as one: a stream's parts are not those that places count by. */
  #cited(): CitedText[] {
    const text = this.#texts.map((one) => one.text).join('');
    return [{ text, partIndex: -1 }];
  }
}

/** A part at its beginning: without what deltas bring. */
function seedOf(part: Part): Part {
  const { content } = part;
  switch (content.case) {
    case 'text':
      return { ...part, content: { case: 'text', value: build.text('') } };
    case 'reasoning':
      return { ...part, content: { case: 'reasoning', value: build.reasoning('') } };
    case 'audio':
      return {
        ...part,
        content: { case: 'audio', value: { ...content.value, source: { case: 'base64', value: '' } } },
      };
    case 'toolCall':
      return {
        ...part,
        content: { case: 'toolCall', value: { ...content.value, arguments: '', signature: '' } },
      };
    default:
      return part;
  }
}
