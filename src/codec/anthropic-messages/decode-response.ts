import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { callId, completionId } from '../ids.ts';
import { addMember, isObject } from '../json.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { decodeBlock } from './decode-blocks.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { decodeStopReason } from './decode-stop-reason.ts';
import { decodeUsage } from './decode-usage.ts';
import { toExtras } from './extras.ts';

/**
 * A message as a provider sent it. What is left out is unset; members that are not known are kept as extras.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeMessagesResponse(json: unknown, { provider }: Upstream): CreateChatCompletionResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const error = errorIn(json);
  if (error !== undefined) throw upstreamError(provider, error, 200);
  const { content, stop_reason: word } = json;
  if (!Array.isArray(content)) throw notUnderstood(provider, 'it has no content');
  const id = completionId(json['id']);
  const parts = content.map((block, index) => decodeBlock(block, () => callId(id, 0, index)));
  const called = parts.some((part) => part.content.case === 'toolCall');
  const message = build.message(Role.ASSISTANT, parts);
  const choice = build.choice(0, message, decodeStopReason(word, called));
  if (typeof word === 'string') choice.nativeFinishReason = word;
  const model = typeof json['model'] === 'string' ? json['model'] : '';
  const response = build.chatResponse(id, model, 0, [choice]);
  let ofChoice = '';
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    switch (key) {
      case 'id':
      case 'type':
      case 'role':
      case 'model':
      case 'content':
      case 'stop_reason':
        break;
      case 'stop_sequence':
      case 'stop_details':
        if (value !== null) ofChoice = addMember(ofChoice, key, value);
        break;
      case 'usage':
        if (isObject(value)) {
          const used = decodeUsage(value);
          if (used !== undefined) response.usage = used;
          if (typeof value['service_tier'] === 'string') response.serviceTier = value['service_tier'];
        }
        break;
      default:
        if (value !== null) unknown = addMember(unknown, key, value);
    }
  }
  if (ofChoice !== '') choice.extras = toExtras(ofChoice);
  if (unknown !== '') response.extras = toExtras(unknown);
  return response;
}
