import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type ClaudeThinking, claudeThinking, noThinking, type ThinkingFacts } from '../claude-thinking.ts';
import type { Json } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';
import { textOf } from './own-members.ts';

/**
 * What the model's reasoning is asked to be.
 * @param own `thinking` as it came in this dialect: whole, or members that go into it
 * @throws GatewayError UNSUPPORTED_PARAMETER for a budget beside a tool that has to be called
 */
export function encodeThinking(
  request: CreateChatCompletionRequest,
  own: Json | undefined,
  facts: Omit<ThinkingFacts, 'members'>,
  context: EncodeContext,
): ClaudeThinking {
  const type = own?.['type'];
  if (own !== undefined && typeof type === 'string') {
    const { budget_tokens: budget } = own;
    const on = type !== 'disabled' && type !== 'between_tools';
    const tokens = typeof budget === 'number' ? budget : 0;
    return { ...noThinking, json: JSON.stringify(own), on, budget: tokens };
  }
  const members = own === undefined ? '' : textOf(own);
  return claudeThinking(request, context.model, { ...facts, members }, context);
}
