import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject, type Json } from '../json.ts';
import type { Upstream } from '../upstream-error.ts';
import { toExtras } from './extras.ts';

/** Whose answer is read, and what of the request it does not say again. */
export interface AnsweredRequest extends Upstream {
  /** The format of sound that was asked for: an answer has sound without saying in which one. */
  readonly audioFormat?: string;
}

/** The format of sound that a request asks for; '' where it asks for none. */
export function askedAudioFormat({ parameters }: CreateChatCompletionRequest): string {
  if (parameters === undefined || parameters.audioJson === '') return '';
  const json: unknown = JSON.parse(parameters.audioJson);
  const format = isObject(json) ? json['format'] : undefined;
  return typeof format === 'string' ? format : '';
}

const audioKeys: ReadonlySet<string> = new Set(['id', 'data', 'transcript', 'expires_at']);

/** A spoken answer. */
export function decodeAnswerAudio(json: Json, format: string): Part {
  const { id, data, transcript, expires_at: expiresAt } = json;
  const audio = build.audio({ case: 'base64', value: typeof data === 'string' ? data : '' }, { format });
  if (typeof transcript === 'string') audio.transcript = transcript;
  if (typeof id === 'string') audio.answerId = id;
  if (typeof expiresAt === 'number' && expiresAt >= 0) {
    audio.expiresAt = expiresAt <= 0xffff_ffff ? Math.floor(expiresAt) : 0;
  }
  const part = build.part({ case: 'audio', value: audio });
  let unknown = '';
  for (const key in json) {
    if (!audioKeys.has(key)) unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}
