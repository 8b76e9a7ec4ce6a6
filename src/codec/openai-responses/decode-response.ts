import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { messagesOf } from '../../model/items.ts';
import { isObject } from '../json.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { ofProvider } from './compaction.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { decodeItem } from './decode-item.ts';
import { decodeUsage } from './decode-usage.ts';
import { dialectName, stateFormat, stateFormatOf } from './dialect.ts';
import { decodeFinish, otherMembers } from './finish.ts';

/**
 * A response as a provider sent it: the items of its output are the parts of one answer. What else it says is kept as extras.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeResponse(json: unknown, { provider }: Upstream): CreateChatCompletionResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const error = errorIn(json);
  if (error !== undefined) throw upstreamError(provider, error, 200);
  const { output } = json;
  if (!Array.isArray(output)) throw notUnderstood(provider, 'it has no output');
  const parts = messagesOf(decodeOutput(output, provider)).flatMap((message) =>
    message.parts.map((part) => ofOrigin(part, provider)),
  );
  const { reason, native } = decodeFinish(
    json,
    parts.some(({ content }) => content.case === 'toolCall'),
  );
  const { id, model, created_at: createdAt, service_tier: tier } = json;
  const response = build.chatResponse(
    typeof id === 'string' ? id : '',
    typeof model === 'string' ? model : '',
    typeof createdAt === 'number' && createdAt > 0 && createdAt <= 0xffff_ffff ? Math.floor(createdAt) : 0,
    [build.choice(0, build.message(Role.ASSISTANT, parts), reason, { nativeFinishReason: native })],
    { serviceTier: typeof tier === 'string' ? tier : '' },
  );
  const usage = decodeUsage(json['usage']);
  if (usage !== undefined) response.usage = usage;
  const others = otherMembers(json);
  if (Object.keys(others).length > 0) response.extras = build.extras(dialectName, JSON.stringify(others));
  return response;
}

/** What only its provider can read says whose it is. */
export function ofOrigin(part: Part, provider: string): Part {
  const { content } = part;
  if (content.case === 'opaque')
    return { ...part, content: { case: 'opaque', value: ofProvider(content.value, provider) } };
  if (content.case !== 'reasoning' || content.value.format !== stateFormat) return part;
  const value = { ...content.value, format: stateFormatOf(provider) };
  return { ...part, content: { case: 'reasoning', value } };
}

/** @throws GatewayError UPSTREAM_INVALID */
export function decodeOutput(output: readonly unknown[], provider: string) {
  return output.map((item, i) => {
    try {
      return decodeItem(item, `output[${i}]`);
    } catch {
      throw notUnderstood(provider, `output[${i}] is not an item`);
    }
  });
}
