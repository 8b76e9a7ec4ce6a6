import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { completionId } from '../ids.ts';
import { addMember, addText, isObject, type Json } from '../json.ts';
import { interrupted, notUnderstood, type Upstream } from '../upstream-error.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { blockedPrompt, failedAnswer, responseKeys, secondsOf } from './decode-response.ts';
import { CandidateDecoder } from './decode-stream-candidate.ts';
import { dialectName } from './dialect.ts';
import { isFailure } from './finish.ts';
import { decodeUsage, tierOf } from './usage.ts';

/** Bound of what is remembered of a stream's unknown members. */
const maxTold = 64;

/**
 * Turns the chunks of a stream, each a whole GenerateContentResponse, into events with an explicit life cycle. Nothing marks the
 * end: the stream is complete when the body ends and every candidate that was begun has a finish reason. Anything else is an
 * interruption, and nothing is invented to hide it.
 */
export class GeminiStreamDecoder {
  readonly #provider: string;
  readonly #candidates: CandidateDecoder[] = [];
  #started = false;
  #finished = false;
  #usage: Usage | undefined;
  /** Nothing of the answer has come after it. */
  #usageIsLast = false;
  #id = '';
  /** Unknown members of chunks before the first with a candidate. */
  #early = '';
  /** Unknown members as told last. */
  readonly #told = new Map<string, string>();

  constructor({ provider }: Upstream) {
    this.#provider = provider;
  }

  /**
   * Takes the data of one SSE event and appends the events that it stands for.
   * @throws GatewayError when it is an error of the provider's, or no chunk
   */
  push(data: string, out: StreamEvent[]): void {
    if (this.#finished || data === '[DONE]') return;
    let json: unknown;
    try {
      json = JSON.parse(data);
    } catch {
      throw notUnderstood(this.#provider, 'a chunk is not valid JSON');
    }
    // Without SSE a stream is one list of chunks; an error in it may come so in any case.
    if (Array.isArray(json)) for (const chunk of json) this.#chunk(chunk, out);
    else this.#chunk(json, out);
  }

  /** Takes the end of the body. @throws GatewayError when the answer is not complete */
  end(out: StreamEvent[]): void {
    if (this.#finished) return;
    if (!this.#isComplete()) throw interrupted(this.#provider, 'ended before the answer was complete');
    this.#finished = true;
    for (const candidate of this.#candidates) candidate?.end(out);
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
    const begun = this.#candidates.filter((candidate) => candidate !== undefined);
    return begun.length > 0 && begun.every(({ finished }) => finished);
  }

  #chunk(json: unknown, out: StreamEvent[]): void {
    const error = errorIn(json);
    if (error !== undefined) throw upstreamError(this.#provider, error, 200);
    if (!isObject(json)) throw notUnderstood(this.#provider, 'a chunk is not an object');
    const blocked = blockedPrompt(json, this.#provider);
    if (blocked !== undefined) throw blocked;
    const candidates = Array.isArray(json['candidates']) ? json['candidates'] : [];
    const usage = json['usageMetadata'];
    // It is cumulative: the last one counts.
    const counted = isObject(usage);
    if (counted) this.#usage = decodeUsage(usage) ?? this.#usage;
    if (counted || candidates.length > 0) this.#usageIsLast = counted;
    let unknown = this.#unknown(json);
    if (!this.#started) {
      if (candidates.length === 0) {
        if (unknown !== '') this.#early += this.#early === '' ? unknown : `,${unknown}`;
        return;
      }
      this.#start(json, out);
      if (this.#early !== '') unknown = unknown === '' ? this.#early : `${this.#early},${unknown}`;
    }
    let leftover = '';
    for (let i = 0; i < candidates.length; i++) {
      const left = this.#candidate(candidates[i], i, out);
      if (left !== '') leftover += leftover === '' ? left : `,${left}`;
    }
    if (leftover === '' && unknown === '') return;
    const members = leftover === '' ? unknown : addText(unknown, 'candidates', `[${leftover}]`);
    out.push(buildEvent.opaqueEvent(dialectName, `{${members}}`));
  }

  #start(json: Json, out: StreamEvent[]): void {
    this.#started = true;
    this.#id = completionId(json['responseId']);
    const model = typeof json['modelVersion'] === 'string' ? json['modelVersion'] : '';
    const serviceTier = tierOf(json['usageMetadata']);
    out.push(buildEvent.started(this.#id, model, secondsOf(json['createTime']), { serviceTier }));
  }

  /** @returns what of the candidate has no event, as JSON text; '' for nothing */
  #candidate(json: unknown, position: number, out: StreamEvent[]): string {
    if (!isObject(json)) throw notUnderstood(this.#provider, 'a candidate is not an object');
    const word = json['finishReason'];
    if (typeof word === 'string' && isFailure(word))
      throw failedAnswer(word, json['finishMessage'], this.#provider);
    const given = json['index'];
    const index =
      typeof given === 'number' && Number.isInteger(given) && given >= 0 && given < 128 ? given : position;
    const candidate = (this.#candidates[index] ??= new CandidateDecoder(this.#id, index));
    return candidate.push(json, out);
  }

  /** Members without a field that have not been told of. */
  #unknown(json: Json): string {
    let unknown = '';
    for (const key in json) {
      const value = json[key];
      if (responseKeys.has(key) || value === null || value === undefined) continue;
      const text = JSON.stringify(value);
      if (this.#told.get(key) === text) continue;
      if (this.#told.size < maxTold) this.#told.set(key, text);
      unknown = addMember(unknown, key, value);
    }
    return unknown;
  }
}
