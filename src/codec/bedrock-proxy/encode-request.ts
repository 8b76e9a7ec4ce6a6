import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { type Message, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { number, quote } from '../json.ts';
import { dialectName } from './dialect.ts';

export interface EncodedProxyRequest {
  /** JSON text. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/**
 * Writes the body that a Bedrock proxy takes: `{prompt, model, max_tokens, system?, region?}`. A conversation of more than one message is
 * written as one prompt, each turn under the name of its speaker.
 * @param region '' for the proxy's own
 * @throws GatewayError INVALID_REQUEST for what is no text
 */
export function encodeProxyRequest(
  request: CreateChatCompletionRequest,
  model: string,
  region: string,
): EncodedProxyRequest {
  const context = new EncodeWarnings(dialectName, request.options?.dropParams);
  context.members(request.extras, 'request');
  const system: string[] = [];
  const turns: { readonly speaker: string; readonly text: string }[] = [];
  request.messages.forEach((message, i) => {
    const text = plainText(message, context, `messages[${i}]`);
    if (text === '') return;
    if (message.role === Role.SYSTEM || message.role === Role.DEVELOPER) system.push(text);
    else turns.push({ speaker: message.role === Role.ASSISTANT ? 'Assistant' : 'User', text });
  });
  if (turns.length === 0) {
    throw invalidRequest('messages', "Invalid 'messages': the provider needs something said by the user");
  }
  const only = turns.length === 1 && turns[0]?.speaker === 'User' ? turns[0].text : null;
  const prompt =
    only ?? `${turns.map(({ speaker, text }) => `${speaker}: ${text}`).join('\n\n')}\n\nAssistant:`;
  const limit = request.parameters?.maxOutputTokens ?? defaultMaxTokens;
  let body = `{"prompt":${quote(prompt)},"model":${quote(model)},"max_tokens":${number(limit)}`;
  if (system.length > 0) body += `,"system":${quote(system.join('\n\n'))}`;
  if (region !== '') body += `,"region":${quote(region)}`;
  if (request.parameters?.reasoningBudgetTokens !== undefined) {
    const field = 'parameters.reasoning_budget_tokens';
    context.hint('dropped_reasoning_budget', field, 'the provider takes no reasoning budget');
  }
  return { body: `${body}}`, warnings: context.warnings };
}

/** The form's own default. */
const defaultMaxTokens = 1_024;

function plainText(message: Message, context: EncodeWarnings, at: string): string {
  context.members(message.extras, at);
  let text = '';
  message.parts.forEach((given, i) => {
    const place = `${at}.content[${i}]`;
    const part = context.simplified(given, place);
    const { content } = part;
    context.members(given.extras, place);
    if (part.cacheBreakpoint !== undefined) {
      context.warn('dropped_cache_breakpoint', place, 'the provider takes no cache breakpoints');
    }
    if (content.case === 'text' || content.case === 'refusal') {
      // What was a part of its own does not run into the next sentence.
      text += part === given ? content.value.text : `${content.value.text}\n`;
    } else if (content.case === 'reasoning') {
      context.warn('dropped_reasoning', place, 'the provider does not take reasoning back');
    } else throw invalidRequest(place, `Invalid '${place}': the provider takes text only`);
  });
  return text;
}
