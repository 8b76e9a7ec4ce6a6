import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { completionId } from '../ids.ts';
import { addMember, addText, isObject, type Json } from '../json.ts';
import { interrupted, notUnderstood } from '../upstream-error.ts';
import type { AnsweredRequest } from './answer-audio.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { ChoiceDecoder } from './decode-stream-choice.ts';
import { dialectName } from './dialect.ts';
import { isFailure } from './finish.ts';
import { decodeUsage } from './usage.ts';

/** The answer stands when this is sent. */
const done = '[DONE]';

/** Bound of what is remembered of a stream's unknown members. */
const maxTold = 64;

/**
 * Turns the chunks of a stream into events with an explicit life cycle. The stream is complete when `[DONE]` or the end of the
 * body comes and every choice that was begun has a finish reason; anything else is an interruption, and nothing is invented to
 * hide it.
 */
export class ChatStreamDecoder {
  readonly #provider: string;
  readonly #audioFormat: string;
  readonly #choices: ChoiceDecoder[] = [];
  #started = false;
  #finished = false;
  #usage: Usage | undefined;
  /** Nothing of the answer has come after it. */
  #usageIsLast = false;
  /** Unknown members of chunks before the first that names the completion, as Azure sends. */
  #early = '';
  #id = '';
  /** Members that have been told of and are the same in most chunks: they are told again when they change. */
  readonly #told = new Map<string, unknown>();

  constructor({ provider, audioFormat = '' }: AnsweredRequest) {
    this.#provider = provider;
    this.#audioFormat = audioFormat;
  }

  /**
   * Takes the data of one SSE event and appends the events that it stands for.
   * @throws GatewayError when it is an error of the provider's, or no chunk
   */
  push(data: string, out: StreamEvent[]): void {
    if (this.#finished) return;
    if (data === done) {
      this.end(out);
      return;
    }
    const json = this.#parse(data);
    let unknown = '';
    let choices: readonly unknown[] = [];
    let counted = false;
    for (const key in json) {
      const value = json[key];
      switch (key) {
        case 'id':
        case 'object':
        case 'created':
        case 'model':
        // Padding against eavesdroppers, of the hop between the provider and the gateway.
        case 'obfuscation':
          break;
        case 'choices':
          if (Array.isArray(value)) choices = value;
          break;
        case 'usage':
          // It may be cumulative: the last one counts.
          if (isObject(value)) {
            this.#usage = decodeUsage(value) ?? this.#usage;
            counted = true;
          }
          break;
        case 'service_tier':
        case 'system_fingerprint':
          if (this.#started && value !== '' && this.#isNews(key, value))
            unknown = addMember(unknown, key, value);
          break;
        case 'error':
          if (value !== null) throw upstreamError(this.#provider, value, 200);
          break;
        default:
          if (this.#isNews(key, value)) unknown = addMember(unknown, key, value);
      }
    }
    if (counted || choices.length > 0) this.#usageIsLast = counted;
    if (choices.length === 0) {
      const error = errorIn(json);
      if (error !== undefined) throw upstreamError(this.#provider, error, 200);
    }
    if (!this.#started) {
      if (choices.length === 0 && !json['id']) {
        this.#early = unknown;
        return;
      }
      this.#start(json, out);
      if (this.#early !== '') unknown = unknown === '' ? this.#early : `${this.#early},${unknown}`;
    }
    if (choices.length === 0 && this.#usage !== undefined && this.#isComplete()) this.#endChoices(out);
    let leftover = '';
    for (let i = 0; i < choices.length; i++) {
      const left = this.#choice(choices[i], i, out);
      if (left !== '') leftover += leftover === '' ? left : `,${left}`;
    }
    if (leftover !== '' || unknown !== '') {
      const members = leftover === '' ? unknown : addText(unknown, 'choices', `[${leftover}]`);
      out.push(buildEvent.opaqueEvent(dialectName, `{${members}}`));
    }
  }

  /** Takes the end of the body. @throws GatewayError when the answer is not complete */
  end(out: StreamEvent[]): void {
    if (this.#finished) return;
    if (!this.#isComplete()) {
      throw interrupted(this.#provider, 'ended before the answer was complete');
    }
    this.#finished = true;
    this.#endChoices(out);
    out.push(buildEvent.finished(this.#usage));
  }

  /** See EventStream. */
  usageSoFar(): Usage | undefined {
    const used = this.#usage;
    return used === undefined || (this.#usageIsLast && this.#isComplete())
      ? used
      : { ...used, estimated: true };
  }

  #isComplete(): boolean {
    const begun = this.#choices.filter((choice) => choice !== undefined);
    return begun.length > 0 && begun.every(({ finished }) => finished);
  }

  #endChoices(out: StreamEvent[]): void {
    for (const choice of this.#choices) {
      if (choice !== undefined && !choice.end(out))
        throw notUnderstood(this.#provider, 'a tool call has no name');
    }
  }

  /** Whether a member says something that has not been told. Only simple values repeat. */
  #isNews(key: string, value: unknown): boolean {
    if (value === null) return false;
    if (typeof value === 'object') return true;
    if (this.#told.get(key) === value) return false;
    if (this.#told.size < maxTold) this.#told.set(key, value);
    return true;
  }

  #parse(data: string): Json {
    let json: unknown;
    try {
      json = JSON.parse(data);
    } catch {
      throw notUnderstood(this.#provider, 'a chunk is not valid JSON');
    }
    if (!isObject(json)) throw notUnderstood(this.#provider, 'a chunk is not an object');
    return json;
  }

  #start(json: Json, out: StreamEvent[]): void {
    this.#started = true;
    const { id, model, created, service_tier: tier, system_fingerprint: fingerprint } = json;
    this.#id = completionId(id);
    const event = buildEvent.started(
      this.#id,
      typeof model === 'string' ? model : '',
      typeof created === 'number' && created > 0 && created <= 0xffff_ffff ? Math.floor(created) : 0,
    );
    if (event.event.case === 'started') {
      if (typeof tier === 'string') event.event.value.serviceTier = tier;
      if (typeof fingerprint === 'string') event.event.value.systemFingerprint = fingerprint;
      this.#told.set('service_tier', tier).set('system_fingerprint', fingerprint);
    }
    out.push(event);
  }

  /** @returns what of the choice has no event, as JSON text; '' for nothing */
  #choice(json: unknown, position: number, out: StreamEvent[]): string {
    if (!isObject(json)) throw notUnderstood(this.#provider, 'a choice is not an object');
    const word = json['finish_reason'];
    if (isFailure(word) || isObject(json['error'])) {
      throw upstreamError(
        this.#provider,
        json['error'] ?? { message: `finish_reason ${word}`, code: word },
        200,
      );
    }
    const given = json['index'];
    const index =
      typeof given === 'number' && Number.isInteger(given) && given >= 0 && given < 128 ? given : position;
    const choice = (this.#choices[index] ??= new ChoiceDecoder(this.#id, index, this.#audioFormat));
    return choice.push(json, out);
  }
}
