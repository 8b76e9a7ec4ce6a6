import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { addMember, addText, isObject, type Json } from '../json.ts';
import { decodeAnnotations } from './annotations.ts';
import { decodeAnswerImage } from './answer-images.ts';
import { isFunctionCall } from './decode-response.ts';
import { ReasoningState } from './decode-stream-reasoning.ts';
import { ToolCallsDecoder } from './decode-stream-tools.ts';
import { toExtras } from './extras.ts';
import { decodeFinish } from './finish.ts';
import { decodeLogprobs } from './logprobs.ts';

/** Kinds of parts that grow one at a time; a part of another kind ends them. */
type Flow = 'text' | 'reasoning' | 'refusal' | 'audio';

/** What a part may begin with. */
interface Seed {
  readonly audioFormat: string;
  readonly summary: boolean;
}

const seeds: Readonly<Record<Flow, (seed: Seed) => Part>> = {
  text: () => build.textPart(''),
  reasoning: ({ summary }) => build.part({ case: 'reasoning', value: build.reasoning('', { summary }) }),
  refusal: () => build.part({ case: 'refusal', value: build.refusal('') }),
  audio: ({ audioFormat: format }) =>
    build.part({ case: 'audio', value: build.audio({ case: 'base64', value: '' }, { format }) }),
};

/** The parts of one choice of a stream. */
export class ChoiceDecoder {
  readonly #index: number;
  readonly #reasoning = new ReasoningState();
  #tools: ToolCallsDecoder | null = null;
  #flow: Flow | null = null;
  /** There is a call in OpenAI's older form. */
  #olderCall = false;
  #part = 0;
  /** Number of the next part. */
  #next = 0;
  /** What is known of a spoken answer besides its sound. */
  #audio: Json | null = null;
  /** Readable reasoning of the part that grows. */
  #thought = '';
  readonly #completion: string;
  readonly #audioFormat: string;
  /** The finish reason and the provider's own, once they are there. */
  #word = '';
  #nativeWord: unknown = null;
  #ended = false;

  /**
   * @param completion id of the completion
   * @param audioFormat see AnsweredRequest
   */
  constructor(completion: string, index: number, audioFormat: string) {
    this.#completion = completion;
    this.#index = index;
    this.#audioFormat = audioFormat;
  }

  /** Whether there is a finish reason. More may come in spite of it. */
  get finished(): boolean {
    return this.#word !== '';
  }

  /** Takes one choice of a chunk. @returns what of it has no event, as JSON text of a choice; '' for nothing */
  push(json: Json, out: StreamEvent[]): string {
    if (this.#ended) return '';
    let unknown = '';
    let unknownDelta = '';
    let logprobs: unknown = null;
    for (const key in json) {
      const value = json[key];
      switch (key) {
        case 'index':
        case 'finish_reason':
        case 'native_finish_reason':
          break;
        case 'logprobs':
          logprobs = value;
          break;
        case 'delta':
          if (isObject(value)) unknownDelta = this.#delta(value, out);
          break;
        case 'message':
          // Some tell the whole answer at once, in the form of an answer that is not streamed.
          if (isObject(value) && !isObject(json['delta'])) unknownDelta = this.#delta(value, out);
          else if (value !== null) unknown = addMember(unknown, key, value);
          break;
        default:
          if (value !== null) unknown = addMember(unknown, key, value);
      }
    }
    if (logprobs !== null) this.#addLogprobs(logprobs, out);
    const word = json['finish_reason'];
    if (typeof word === 'string' && word !== '' && this.#word === '') {
      this.#word = word;
      this.#nativeWord = json['native_finish_reason'];
    }
    if (unknown === '' && unknownDelta === '') return '';
    const members = addText(
      addText(addText('', 'index', String(this.#index)), 'delta', `{${unknownDelta}}`),
      'finish_reason',
      'null',
    );
    return `{${members}${unknown === '' ? '' : `,${unknown}`}}`;
  }

  /** @returns its unknown members */
  #delta(delta: Json, out: StreamEvent[]): string {
    let unknown = '';
    let thought = '';
    let details: readonly unknown[] | null = null;
    let calls: readonly unknown[] | null = null;
    let older: Json | null = null;
    let content = '';
    for (const key in delta) {
      const value = delta[key];
      if (value === null) continue;
      switch (key) {
        case 'role':
          break;
        case 'content':
          if (typeof value === 'string') content = value;
          else {
            content = textOfList(value);
            if (content === '') unknown = addMember(unknown, key, value);
          }
          break;
        case 'reasoning_content':
        case 'reasoning':
          if (typeof value === 'string') thought = value;
          else unknown = addMember(unknown, key, value);
          break;
        case 'reasoning_details':
          if (Array.isArray(value)) details = value;
          break;
        case 'tool_calls':
          if (Array.isArray(value)) calls = value;
          break;
        case 'function_call':
          if (isObject(value) && (isFunctionCall(value) || this.#olderCall)) older = value;
          else unknown = addMember(unknown, key, value);
          break;
        case 'refusal':
          if (typeof value === 'string' && value !== '') this.#grow('refusal', value, out);
          break;
        case 'audio':
          if (isObject(value)) this.#speak(value, out);
          break;
        case 'images':
          if (Array.isArray(value)) for (const item of value) this.#whole(decodeAnswerImage(item), out);
          break;
        case 'annotations':
          if (Array.isArray(value) && value.length > 0) this.#cite(value, out);
          break;
        default:
          unknown = addMember(unknown, key, value);
      }
    }
    if (details !== null) this.#reason(details, thought, out);
    else if (thought !== '') {
      // What is signed does not go on.
      if (this.#flow === 'reasoning' && this.#reasoning.signed) this.#close(out);
      this.#think(thought, out);
    }
    if (content !== '') this.#grow('text', content, out);
    if (calls !== null && calls.length > 0) {
      const more = this.#call(calls, out);
      if (more !== '') unknown = addText(unknown, 'tool_calls', `[${more}]`);
    }
    if (older !== null) {
      // Some say a call in both forms.
      this.#olderCall = this.#tools === null || this.#olderCall;
      if (this.#olderCall) this.#call([{ function: older }], out, true);
      else unknown = addMember(unknown, 'function_call', older);
    }
    return unknown;
  }

  /** @param thought the chunk's plain reasoning: where there is some, it is what counts, in the pieces that the details make of it */
  #reason(details: readonly unknown[], thought: string, out: StreamEvent[]): void {
    let left = thought;
    for (let i = 0; i < details.length; i++) {
      const { text, begins } = this.#reasoning.add(details[i], i, this.#thought);
      if (begins) this.#close(out);
      if (thought !== '' && !left.startsWith(text)) continue;
      left = left.slice(text.length);
      if (text !== '') this.#think(text, out);
    }
    if (left !== '') this.#think(left, out);
  }

  #think(text: string, out: StreamEvent[]): void {
    this.#grow('reasoning', text, out);
    this.#thought += text;
  }

  /** A part that comes at once. */
  #whole(part: Part, out: StreamEvent[]): void {
    this.#close(out);
    this.#tellOpaque(out);
    this.#tell(part, out);
  }

  #tell(part: Part, out: StreamEvent[]): void {
    const number = this.#next++;
    out.push(buildEvent.partStarted(this.#index, number, part), buildEvent.partEnded(this.#index, number));
  }

  #grow(flow: Flow, text: string, out: StreamEvent[]): void {
    this.#open(flow, out);
    out.push(buildEvent.delta(this.#index, this.#part, text));
  }

  #open(flow: Flow, out: StreamEvent[]): void {
    if (this.#flow === flow) return;
    this.#close(out);
    this.#tellOpaque(out);
    this.#flow = flow;
    this.#part = this.#next++;
    const seed = { audioFormat: this.#audioFormat, summary: this.#reasoning.isSummary };
    out.push(buildEvent.partStarted(this.#index, this.#part, seeds[flow](seed)));
  }

  /** Opaque reasoning keeps its place among what is readable, and before what is said because of it. */
  #tellOpaque(out: StreamEvent[]): void {
    for (const part of this.#reasoning.takeOpaque()) this.#tell(part, out);
  }

  /** Ends the part that grows, with what is only known now. */
  #close(out: StreamEvent[]): void {
    const flow = this.#flow;
    if (flow === null) return;
    this.#flow = null;
    this.#thought = '';
    let final: Part | undefined;
    if (flow === 'reasoning') final = this.#reasoning.takeFinal();
    if (flow === 'audio') final = this.#spoken();
    out.push(buildEvent.partEnded(this.#index, this.#part, final));
  }

  /** @returns what has no event, as items of `tool_calls` */
  #call(calls: readonly unknown[], out: StreamEvent[], legacy = false): string {
    this.#close(out);
    this.#tellOpaque(out);
    this.#tools ??= new ToolCallsDecoder(this.#completion, this.#index);
    this.#next = this.#tools.push(calls, this.#next, out, legacy);
    return this.#tools.takeUnknown();
  }

  #cite(annotations: readonly unknown[], out: StreamEvent[]): void {
    this.#open('text', out);
    out.push(buildEvent.delta(this.#index, this.#part, '', { annotations: decodeAnnotations(annotations) }));
  }

  #speak({ data, transcript, ...more }: Json, out: StreamEvent[]): void {
    this.#open('audio', out);
    this.#audio = { ...this.#audio, ...more };
    const spoken = typeof transcript === 'string' ? transcript : '';
    const sound = typeof data === 'string' ? data : '';
    if (spoken !== '' || sound !== '') {
      out.push(buildEvent.delta(this.#index, this.#part, sound, { transcript: spoken }));
    }
  }

  #spoken(): Part | undefined {
    if (this.#audio === null) return undefined;
    const { id, expires_at: expiresAt, ...more } = this.#audio;
    const audio = build.audio({ case: 'base64', value: '' });
    if (typeof id === 'string') audio.answerId = id;
    if (typeof expiresAt === 'number' && expiresAt > 0) audio.expiresAt = Math.floor(expiresAt);
    const part = build.part({ case: 'audio', value: audio });
    if (Object.keys(more).length > 0) part.extras = toExtras(JSON.stringify(more).slice(1, -1));
    this.#audio = null;
    return part;
  }

  /** Log probabilities belong to the text of their chunk, which is the last event, or to no text at all. */
  #addLogprobs(json: unknown, out: StreamEvent[]): void {
    const logprobs = decodeLogprobs(json);
    if (logprobs === undefined || logprobs.content.length + logprobs.refusal.length === 0) return;
    const last = out[out.length - 1]?.event;
    const own =
      last?.case === 'delta' && last.value.choice === this.#index && last.value.logprobs === undefined;
    if (own) last.value.logprobs = logprobs;
    else {
      this.#open(logprobs.refusal.length > 0 ? 'refusal' : 'text', out);
      out.push(buildEvent.delta(this.#index, this.#part, '', { logprobs }));
    }
  }

  /**
   * Ends the answer, once: not at the finish reason, after which some providers go on, but when nothing can come any more.
   * @returns false when it has a tool call without a name
   */
  end(out: StreamEvent[]): boolean {
    if (this.#ended) return true;
    this.#ended = true;
    this.#close(out);
    for (const part of this.#reasoning.takeRest()) {
      if (this.#tools?.sign(part) !== true) this.#tell(part, out);
    }
    if (this.#tools !== null && !this.#tools.end(out)) return false;
    const { reason, native } = decodeFinish(this.#word, this.#nativeWord, this.#tools !== null);
    out.push(buildEvent.choiceFinished(this.#index, reason, native));
    return true;
  }
}

/** The text of a content that comes as a list; '' when there is anything but text in it. */
function textOfList(value: unknown): string {
  if (!Array.isArray(value)) return '';
  let text = '';
  for (const item of value) {
    if (!isObject(item) || item['type'] !== 'text' || typeof item['text'] !== 'string') return '';
    text += item['text'];
  }
  return text;
}
