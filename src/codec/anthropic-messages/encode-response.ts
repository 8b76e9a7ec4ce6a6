import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { encodeAnswerBlock } from './encode-answer-blocks.ts';
import { encodeStopReason } from './encode-stop-reason.ts';
import { encodeUsage } from './encode-usage.ts';
import { ownMembers } from './extras.ts';

/** A completion of any provider as the body that Anthropic's clients expect. Only the first choice has a place in it. */
export function encodeMessagesResponse(response: CreateChatCompletionResponse): string {
  const { id, model, choices, usage, extras } = response;
  const choice = choices[0];
  const parts = choice?.message?.parts ?? [];
  let content = '';
  let refused = false;
  for (const part of parts) {
    refused ||= part.content.case === 'refusal';
    const block = encodeAnswerBlock(part);
    if (block !== '') content += content === '' ? block : `,${block}`;
  }
  const { finishReason = FinishReason.UNSPECIFIED, nativeFinishReason = '' } = choice ?? {};
  const own = [extras, choice?.extras, choice?.message?.extras, usage?.extras].some(isOwn);
  const stop = encodeStopReason({ finishReason, nativeFinishReason, refused, own });
  return (
    `{"id":${quote(messageId(id))},"type":"message","role":"assistant","model":${quote(model)},"content":[${content}],` +
    `"stop_reason":${stop}${withStopMembers(ownMembers(choice?.extras))},"usage":${encodeUsage(usage)}${rest(ownMembers(extras))}}`
  );
}

export const isOwn = (extras: Extras | undefined): boolean => extras?.dialect === dialectName;

/** `,` and members of an answer's end, among them those that clients require. */
export const withStopMembers = (members: string): string =>
  `${members.includes('"stop_sequence":') ? '' : ',"stop_sequence":null'}` +
  `${members.includes('"stop_details":') ? '' : ',"stop_details":null'}${rest(members)}`;

/** An id as Anthropic's: made from the completion's where that is not one. */
export const messageId = (id: string): string =>
  id.startsWith('msg_') ? id : `msg_${id.replace(/^chatcmpl-/, '').replace(/[^\w-]/g, '_')}`;
