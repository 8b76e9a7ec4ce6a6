import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import type { GatewayError } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import { completionId } from '../ids.ts';
import { addMember, isObject, type Json, membersAsExtras } from '../json.ts';
import { type ErrorReply, excerpt, notUnderstood, retryAfter, upstreamFailure } from '../upstream-error.ts';
import { dialectName } from './dialect.ts';

/**
 * An answer of the proxy: `{success, response, error}`. It says neither why the answer ended nor what was used; neither is invented but for
 * the reason, since a whole answer has stopped.
 * @throws GatewayError when it did not succeed, or makes no sense
 */
export function decodeProxyResponse(
  json: unknown,
  provider: string,
  model: string,
): CreateChatCompletionResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const { success, response: text } = json;
  if (success === false || (json['error'] && typeof text !== 'string')) {
    throw upstreamFailure(provider, { status: 500, message: errorText(json) });
  }
  if (typeof text !== 'string') throw notUnderstood(provider, 'it has no response');
  const answer = build.message(Role.ASSISTANT, [build.textPart(text)]);
  const choice = build.choice(0, answer, FinishReason.STOP);
  const response = build.chatResponse(completionId(undefined), model, 0, [choice]);
  let unknown = '';
  for (const key in json) {
    if (key !== 'success' && key !== 'response' && json[key] !== null)
      unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') response.extras = membersAsExtras(dialectName, unknown);
  return response;
}

/** A reply with an error status as the error that the client is told of. */
export function decodeProxyError({ status, headers, body, provider }: ErrorReply): GatewayError {
  let message = excerpt(body);
  try {
    const json: unknown = JSON.parse(body);
    if (isObject(json)) message = errorText(json);
  } catch {
    // Told as it is.
  }
  return upstreamFailure(provider, { status, message, retryAfterMs: retryAfter(headers) });
}

function errorText(json: Json): string {
  const error = json['error'] ?? json['detail'] ?? json['message'];
  if (typeof error === 'string') return error;
  if (isObject(error) && typeof error['message'] === 'string') return error['message'];
  return error === undefined || error === null ? '' : excerpt(JSON.stringify(error));
}
