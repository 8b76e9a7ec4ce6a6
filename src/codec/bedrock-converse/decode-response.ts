import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, isObject } from '../json.ts';
import { notUnderstood, upstreamFailure } from '../upstream-error.ts';
import { decodeBlock } from './decode-block.ts';
import { converseFailure, errorType } from './decode-error.ts';
import { toExtras } from './extras.ts';
import { decodeFinish, isFailure } from './finish.ts';
import { type ModelTraits, modelTraits } from './models.ts';
import { decodeUsage } from './usage.ts';

/** Who answered. Converse names neither the model nor the answer. */
export interface ConverseUpstream {
  readonly provider: string;
  /** The model's id at the provider. */
  readonly model: string;
}

/**
 * An answer of Converse. Members that are not known are kept as extras.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeConverseResponse(
  json: unknown,
  { provider, model }: ConverseUpstream,
): CreateChatCompletionResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const { output, stopReason } = json;
  if (!isObject(output)) {
    const type = errorType(json['__type'] ?? json['code']);
    if (typeof (json['message'] ?? json['Message']) === 'string' || type !== '') {
      throw converseFailure(provider, { type, json, status: 200 });
    }
    throw notUnderstood(provider, 'it has no output');
  }
  const message = output['message'];
  if (!isObject(message) || !Array.isArray(message['content'])) {
    throw notUnderstood(provider, 'its output is no message');
  }
  if (isFailure(stopReason)) throw malformed(provider, stopReason);
  const id = completionId(undefined);
  const parts = decodeContent(message['content'], id, modelTraits(model));
  const answer = build.message(Role.ASSISTANT, parts);
  const word = typeof stopReason === 'string' ? stopReason : '';
  const called = parts.some(({ content }) => content.case === 'toolCall');
  const choice = build.choice(0, answer, word === '' ? FinishReason.UNSPECIFIED : decodeFinish(word, called));
  choice.nativeFinishReason = word;
  const response = build.chatResponse(id, model, 0, [choice]);
  const used = decodeUsage(json['usage']);
  if (used !== undefined) response.usage = used;
  const tier = json['serviceTier'];
  if (isObject(tier) && typeof tier['type'] === 'string') response.serviceTier = tier['type'];
  let unknownOfMessage = '';
  for (const key in message) {
    if (key !== 'role' && key !== 'content')
      unknownOfMessage = addMember(unknownOfMessage, key, message[key]);
  }
  if (unknownOfMessage !== '') answer.extras = toExtras(unknownOfMessage);
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (!known.has(key) && value !== null && value !== undefined) unknown = addMember(unknown, key, value);
  }
  if (unknown !== '') response.extras = toExtras(unknown);
  return response;
}

const known: ReadonlySet<string> = new Set(['output', 'stopReason', 'usage', 'serviceTier']);

function decodeContent(content: readonly unknown[], id: string, traits: ModelTraits): Part[] {
  const context = { traits, idOf: (call: number) => callId(id, 0, call) };
  const parts: Part[] = [];
  let calls = 0;
  for (const block of content) {
    const part = decodeBlock(block, calls, context);
    if (part.content.case === 'toolCall') calls++;
    parts.push(part);
  }
  return parts;
}

/** An answer that the provider itself could not read. */
export const malformed = (provider: string, word: string) =>
  upstreamFailure(provider, {
    status: 500,
    code: word,
    message: `the model's answer was malformed (${word})`,
  });
