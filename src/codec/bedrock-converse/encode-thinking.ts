import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import { claudeThinking } from '../claude-thinking.ts';
import type { EncodeContext } from './encode-context.ts';

/** How a model is told to think. */
export interface EncodedThinking {
  /** Members of `additionalModelRequestFields`. */
  readonly fields: string;
  /** `outputConfig.effort`; '' for none. */
  readonly effort: string;
  /** Whether Claude thinks: it then takes no other sampling than its own. */
  readonly thinks: boolean;
}

/** What of the rest of a request decides whether Claude may think. */
export interface ThinkingFacts {
  /** A tool has to be called. */
  readonly forced: boolean;
  /** The client has asked, in the model's own words, for thinking between the calls of tools. */
  readonly interleaved: boolean;
}

const nothing: EncodedThinking = { fields: '', effort: '', thinks: false };

/**
 * Effort and budget in the terms of the model: Claude's own; Nova 2 and gpt-oss have efforts. What a model cannot be told is reported.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a budget beside a tool that has to be called
 */
export function encodeThinking(
  request: CreateChatCompletionRequest,
  { forced, interleaved }: ThinkingFacts,
  context: EncodeContext,
): EncodedThinking {
  const { claude } = context.traits;
  const { parameters } = request;
  if (parameters === undefined) return nothing;
  if (claude === null) return encodeEffort(parameters, context);
  // Without a limit Converse gives as much as the model can.
  const limit = parameters.maxOutputTokens ?? claude.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const facts = { forced, limit, interleaved, ownEffort: false, members: '' };
  const { json, effort, on } = claudeThinking(request, claude, facts, context);
  return { fields: json === '' ? '' : `"thinking":${json}`, effort, thinks: on };
}

function encodeEffort(
  { reasoningEffort, reasoningBudgetTokens: budget }: GenerationParameters,
  context: EncodeContext,
): EncodedThinking {
  const { effort: member } = context.traits;
  const canBeOff = budget === 0 && member === 'reasoningConfig';
  if (budget !== undefined && !canBeOff) {
    const field = 'parameters.reasoning_budget_tokens';
    context.hint('dropped_reasoning_budget', field, 'the model takes no reasoning budget');
  }
  const effort = canBeOff ? 'none' : reasoningEffort;
  if (effort === '') return nothing;
  if (member === 'reasoningConfig') {
    const level = `{"type":"enabled","maxReasoningEffort":"${lowMediumHigh(effort)}"}`;
    return { ...nothing, fields: `"reasoningConfig":${effort === 'none' ? '{"type":"disabled"}' : level}` };
  }
  const drop = (why: string) => context.hint('dropped_reasoning_effort', 'reasoning_effort', why);
  if (member === 'reasoning_effort') {
    if (effort === 'none') drop('the model always reasons: its effort is low instead');
    return { ...nothing, fields: `"reasoning_effort":"${lowMediumHigh(effort)}"` };
  }
  drop('the model takes no reasoning effort');
  return nothing;
}

function lowMediumHigh(effort: string): string {
  if (effort === 'none' || effort === 'minimal' || effort === 'low') return 'low';
  return effort === 'medium' ? 'medium' : 'high';
}
