import { Buffer } from 'node:buffer';
import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import { completionId } from '../ids.ts';
import { addMember, addNested, isObject, type Json } from '../json.ts';
import { interrupted, notUnderstood } from '../upstream-error.ts';
import { converseFailure, errorType } from './decode-error.ts';
import { type ConverseUpstream, malformed } from './decode-response.ts';
import { StreamBlocks } from './decode-stream-blocks.ts';
import { dialectName } from './dialect.ts';
import { decodeFinish, isFailure } from './finish.ts';
import { modelTraits } from './models.ts';
import { decodeUsage } from './usage.ts';

/** A message of the event stream, as the framing found it. */
export interface ConverseFrame {
  readonly headers: ReadonlyMap<string, string>;
  readonly payload: Uint8Array;
}

/**
 * Turns the events of ConverseStream into events with an explicit life cycle. The stream is complete at `metadata` after `messageStop`, or
 * at its end after `messageStop`; anything else is an interruption, and nothing is invented to hide it.
 */
export class ConverseStreamDecoder {
  readonly #upstream: ConverseUpstream;
  readonly #id = completionId(undefined);
  readonly #blocks: StreamBlocks;
  #started = false;
  #stopped = false;
  #metadata = false;
  #finished = false;
  #usage: Usage | undefined;

  constructor(upstream: ConverseUpstream) {
    this.#upstream = upstream;
    this.#blocks = new StreamBlocks(this.#id, modelTraits(upstream.model));
  }

  /**
   * Takes one message and appends the events that it stands for.
   * @throws GatewayError when it is an error of the provider's, or no event
   */
  push({ headers, payload }: ConverseFrame, out: StreamEvent[]): void {
    if (this.#finished) return;
    const kind = headers.get(':message-type');
    if (kind === 'error') {
      const json = { message: headers.get(':error-message') };
      throw this.#failure(errorType(headers.get(':error-code')), json);
    }
    const json = this.#parse(payload);
    if (kind === 'exception') throw this.#failure(errorType(headers.get(':exception-type')), json);
    const type = headers.get(':event-type') ?? '';
    if (type.endsWith('Exception')) throw this.#failure(type, json);
    this.#event(type, json, out);
  }

  /** Takes the end of the body. @throws GatewayError when the answer is not complete */
  end(out: StreamEvent[]): void {
    if (this.#finished) return;
    if (!this.#stopped) throw interrupted(this.#upstream.provider, 'ended before the answer was complete');
    this.#finish(out);
  }

  /** See EventStream. */
  usageSoFar(): Usage | undefined {
    const used = this.#usage;
    return used === undefined || this.#stopped ? used : { ...used, estimated: true };
  }

  #event(type: string, json: Json, out: StreamEvent[]): void {
    switch (type) {
      case 'messageStart':
        this.#start(out);
        this.#keep(type, json, startKeys, out);
        return;
      case 'contentBlockStart':
      case 'contentBlockDelta':
      case 'contentBlockStop':
        if (this.#stopped) return;
        this.#start(out);
        this.#block(type, json, out);
        return;
      case 'messageStop':
        if (!this.#stopped) this.#stop(json, out);
        return;
      case 'metadata':
        this.#start(out);
        this.#usage = decodeUsage(json['usage']) ?? this.#usage;
        this.#metadata = true;
        this.#keep(type, json, metadataKeys, out);
        if (this.#stopped) this.#finish(out);
        return;
      default:
        this.#start(out);
        this.#keep(type, json, paddingOnly, out);
    }
  }

  #start(out: StreamEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    out.push(buildEvent.started(this.#id, this.#upstream.model, 0));
  }

  #block(type: string, json: Json, out: StreamEvent[]): void {
    const given = json['contentBlockIndex'];
    const index = typeof given === 'number' ? given : 0;
    let unknown = '';
    if (type === 'contentBlockStop') this.#blocks.stop(index, out);
    else if (type === 'contentBlockStart') {
      if (isObject(json['start'])) unknown = this.#blocks.start(index, json['start'], out);
    } else if (isObject(json['delta'])) unknown = this.#blocks.delta(index, json['delta'], out);
    if (this.#blocks.tooLarge) throw notUnderstood(this.#upstream.provider, 'it is too large');
    if (unknown === '') return;
    const member = type === 'contentBlockStart' ? 'start' : 'delta';
    const members = addNested(addMember('', 'contentBlockIndex', index), member, unknown);
    out.push(buildEvent.opaqueEvent(dialectName, `{${addNested('', type, members)}}`));
  }

  #stop(json: Json, out: StreamEvent[]): void {
    const word = json['stopReason'];
    if (isFailure(word)) throw malformed(this.#upstream.provider, word);
    if (typeof word !== 'string' || word === '') {
      throw notUnderstood(this.#upstream.provider, 'its end has no reason');
    }
    this.#start(out);
    this.#stopped = true;
    this.#blocks.end(out);
    this.#keep('messageStop', json, stopKeys, out);
    out.push(buildEvent.choiceFinished(0, decodeFinish(word, this.#blocks.calls > 0), word));
    if (this.#metadata) this.#finish(out);
  }

  #finish(out: StreamEvent[]): void {
    this.#finished = true;
    out.push(buildEvent.finished(this.#usage));
  }

  /** Hands on the members that no event has. */
  #keep(type: string, json: Json, known: ReadonlySet<string>, out: StreamEvent[]): void {
    let unknown = '';
    for (const key in json) {
      if (!known.has(key) && json[key] !== null) unknown = addMember(unknown, key, json[key]);
    }
    if (unknown !== '')
      out.push(buildEvent.opaqueEvent(dialectName, `{${addMember('', type, JSON.parse(`{${unknown}}`))}}`));
  }

  #failure(type: string, json: Json) {
    return converseFailure(this.#upstream.provider, { type, json, status: 0 });
  }

  #parse(payload: Uint8Array): Json {
    let json: unknown;
    try {
      json = JSON.parse(
        Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8') || '{}',
      );
    } catch {
      throw notUnderstood(this.#upstream.provider, 'an event is not valid JSON');
    }
    if (!isObject(json)) throw notUnderstood(this.#upstream.provider, 'an event is not an object');
    return json;
  }
}

/** `p` is padding against eavesdroppers. */
const paddingOnly: ReadonlySet<string> = new Set(['p']);
const startKeys: ReadonlySet<string> = new Set(['p', 'role']);
const metadataKeys: ReadonlySet<string> = new Set(['p', 'usage']);
const stopKeys: ReadonlySet<string> = new Set(['p', 'stopReason']);
