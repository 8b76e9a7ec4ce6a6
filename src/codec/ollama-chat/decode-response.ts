import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { isError, upstreamError } from './decode-error.ts';
import { decodeToolCall } from './decode-tool-call.ts';
import { toExtras } from './extras.ts';
import { decodeFinish } from './finish.ts';
import { decodeLogprobs } from './logprobs.ts';
import { decodeUsage, isMeasure } from './usage.ts';

/** Members of an answer that have fields in the contract. */
export const isAnswerKey = (key: string): boolean => answerKeys.has(key) || isMeasure(key);

const answerKeys: ReadonlySet<string> = new Set([
  'model',
  'created_at',
  'message',
  'done',
  'done_reason',
  'logprobs',
  'error',
]);

/** Unix seconds of `created_at`, 0 when it is no time. */
export function createdAt(given: unknown): number {
  const ms = typeof given === 'string' ? Date.parse(given) : Number.NaN;
  return ms > 0 ? Math.min(Math.floor(ms / 1000), 0xffff_ffff) : 0;
}

/**
 * A completion as Ollama sent it, which has no id: it gets one.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeChatResponse(json: unknown, { provider }: Upstream): CreateChatCompletionResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  if (isError(json)) throw upstreamError(provider, json, 200);
  const { message: said, model, done, done_reason: word } = json;
  if (!isObject(said)) throw notUnderstood(provider, 'it has no message');
  if (done !== true) throw notUnderstood(provider, 'it is not done');
  const id = completionId(undefined);
  const message = decodeMessage(said, (call) => callId(id, 0, call), provider);
  const called = message.parts.some(({ content }) => content.case === 'toolCall');
  const { reason, native } = decodeFinish(word, called);
  const choice = build.choice(0, message, reason, { nativeFinishReason: native });
  const tokens = decodeLogprobs(json['logprobs']);
  if (tokens.length > 0) {
    choice.logprobs = { $typeName: 'llmgateway.v1.Logprobs', content: tokens, refusal: [] };
  }
  const created = createdAt(json['created_at']);
  const response = build.chatResponse(id, typeof model === 'string' ? model : '', created, [choice]);
  const used = decodeUsage(json);
  if (used !== undefined) response.usage = used;
  let unknown = '';
  for (const key in json) {
    if (!isAnswerKey(key) && json[key] !== null) unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') response.extras = toExtras(unknown);
  return response;
}

function decodeMessage(json: Json, idOf: (call: number) => string, provider: string): Message {
  const { content, thinking, tool_calls: calls } = json;
  const parts: Part[] = [];
  if (typeof thinking === 'string' && thinking !== '') {
    parts.push(build.part({ case: 'reasoning', value: build.reasoning(thinking) }));
  }
  if (typeof content === 'string' && content !== '') parts.push(build.textPart(content));
  if (Array.isArray(calls)) {
    calls.forEach((call, i) => {
      parts.push(decodeToolCall(call, i, idOf, provider));
    });
  }
  const message = build.message(Role.ASSISTANT, parts);
  const unknown = unknownOfMessage(json);
  if (unknown !== '') message.extras = toExtras(unknown);
  return message;
}

/** Members of a message that the contract has no fields for; what is of an odd type is kept, too. */
export function unknownOfMessage(json: Json): string {
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    const known =
      key === 'role' ||
      ((key === 'content' || key === 'thinking') && typeof value === 'string') ||
      (key === 'tool_calls' && Array.isArray(value));
    if (!known && value !== null) unknown = addMember(unknown, key, value);
  }
  return unknown;
}
