import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Item, ResponseParameters } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import * as build from '../model/build.ts';
import { messagesOf } from '../model/items.ts';
import { withoutCutCalls } from './cut-calls.ts';

/**
 * What is asked of a model to make a response: the form in which every provider understands it. What only this API has goes along as
 * extras, for providers that have it as well.
 * @param history items before the new input: those of the responses or the conversation that it goes on from
 */
export function chatRequestOf(
  asked: ResponseParameters,
  history: readonly Item[],
): CreateChatCompletionRequest {
  const messages = messagesOf(withoutCutCalls([...history, ...asked.input]));
  if (asked.instructions !== '') {
    const parts = [build.textPart(asked.instructions)];
    messages.unshift(build.message(Role.SYSTEM, parts, { instructions: true }));
  }
  const request = build.chatRequest(asked.model, messages);
  request.tools = asked.tools;
  if (asked.toolChoice !== undefined) request.toolChoice = asked.toolChoice;
  if (asked.parameters !== undefined) request.parameters = asked.parameters;
  if (asked.store !== undefined) {
    request.parameters = { ...(request.parameters ?? build.parameters()), store: asked.store };
  }
  if (asked.options !== undefined) request.options = asked.options;
  const own = ownMembers(asked);
  if (own !== '{}') request.extras = build.extras(dialectName, own);
  return request;
}

/** What the chat API has no place for, as a JSON object of this API's keys. */
function ownMembers(asked: ResponseParameters): string {
  const { include, reasoningSummary, truncation, maxToolCalls, promptJson, extras } = asked;
  const known: Record<string, unknown> =
    extras?.dialect === dialectName ? (JSON.parse(extras.json) as Record<string, unknown>) : {};
  if (include.length > 0) known['include'] = include;
  if (truncation !== '') known['truncation'] = truncation;
  if (maxToolCalls !== undefined) known['max_tool_calls'] = maxToolCalls;
  if (promptJson !== '') known['prompt'] = JSON.parse(promptJson);
  if (reasoningSummary !== '') {
    known['reasoning'] = { ...(known['reasoning'] as object | undefined), summary: reasoningSummary };
  }
  return JSON.stringify(known);
}
