import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { type Json, number, rest } from '../json.ts';
import { isSigned } from './encode-blocks.ts';
import type { EncodeContext } from './encode-context.ts';
import { isForced } from './encode-tools.ts';
import { textOf } from './own-members.ts';

/** How the model is told to think. */
export interface Thinking {
  /** JSON text of `thinking`; '' for none. */
  readonly json: string;
  /** `output_config.effort`; '' for none. */
  readonly effort: string;
  /** It was asked to think, which forbids much else. */
  readonly on: boolean;
  /** Tokens that it may take of the answer's; 0 where that is up to the model. */
  readonly budget: number;
}

const nothing: Thinking = { json: '', effort: '', on: false, budget: 0 };

/** Least budget that Anthropic takes. */
const minBudget = 1_024;

/** Budgets of efforts, for models that have only budgets. */
const budgets: ReadonlyMap<string, number> = new Map([
  ['minimal', 1_024],
  ['low', 2_048],
  ['medium', 8_192],
  ['high', 16_384],
  ['xhigh', 24_576],
  ['max', 31_999],
]);

/** What is known when it is decided how to think. */
export interface ThinkingFacts {
  /** `thinking` as it came in this dialect: whole, or members that go into it. */
  readonly own: Json | undefined;
  /** The client wrote `output_config.effort` itself: it asks for no thinking by that. */
  readonly ownEffort: boolean;
  /** A budget may be larger than the answer: thinking between the calls of tools. */
  readonly interleaved: boolean;
  /** Most tokens of the answer. */
  readonly limit: number;
}

/**
 * What the model's reasoning is asked to be. An effort is a hint: where it cannot be had beside what the answer's meaning hangs
 * on, it is dropped and reported.
 * @throws GatewayError INVALID_REQUEST for a budget beside a tool that has to be called
 */
export function encodeThinking(
  request: CreateChatCompletionRequest,
  facts: ThinkingFacts,
  context: EncodeContext,
): Thinking {
  const { own, ownEffort } = facts;
  const type = own?.['type'];
  if (own !== undefined && typeof type === 'string') {
    const { budget_tokens: budget } = own;
    const on = type !== 'disabled' && type !== 'between_tools';
    return { json: JSON.stringify(own), effort: '', on, budget: typeof budget === 'number' ? budget : 0 };
  }
  const { reasoningBudgetTokens: budget, reasoningEffort: effort = '' } = request.parameters ?? {};
  if (budget !== undefined && budget > 0) return withBudget(request, budget, facts, context);
  if (budget === 0 || effort === 'none') return withoutThinking(ownEffort, context);
  return effort === '' || ownEffort ? nothing : withEffort(request, effort, facts, context);
}

function withBudget(
  request: CreateChatCompletionRequest,
  given: number,
  { own, ownEffort, interleaved, limit }: ThinkingFacts,
  context: EncodeContext,
): Thinking {
  const { model } = context;
  const field = 'parameters.reasoning_budget_tokens';
  if (model.thinking === 'none') {
    context.warn('dropped_reasoning_budget', field, 'the model does not think');
    return nothing;
  }
  if (model.thinking === 'adaptive') {
    context.warn(
      'dropped_reasoning_budget',
      field,
      'the model takes no budget: it is told an effort instead',
    );
    return adaptive(ownEffort ? '' : effortOf(given), isForced(request.toolChoice), context);
  }
  if (isForced(request.toolChoice)) {
    throw invalidRequest(
      'tool_choice',
      "Invalid 'tool_choice': Anthropic does not let the model think when it has to call a tool.",
    );
  }
  const most = interleaved ? Number.POSITIVE_INFINITY : Math.max(minBudget, limit - 1);
  const budget = Math.min(Math.max(given, minBudget), most);
  if (budget !== given) {
    context.warn(
      'changed_reasoning_budget',
      field,
      `Anthropic takes ${minBudget} to the answer's limit; ${budget} is sent`,
    );
  }
  return enabled(budget, own === undefined ? '' : textOf(own));
}

const enabled = (budget: number, members: string): Thinking => ({
  json: `{"type":"enabled","budget_tokens":${number(budget)}${rest(members)}}`,
  effort: '',
  on: true,
  budget,
});

/** The effort whose budget comes next. */
function effortOf(budget: number): string {
  for (const [effort, tokens] of budgets) if (effort !== 'minimal' && budget <= tokens) return effort;
  return 'max';
}

function withoutThinking(ownEffort: boolean, context: EncodeContext): Thinking {
  const { off } = context.model;
  if (off === 'omit') return nothing;
  if (off !== 'never') return { ...nothing, json: `{"type":"${off}"}` };
  context.warn(
    'dropped_reasoning_effort',
    'reasoning_effort',
    'the model always thinks: its effort is low instead',
  );
  return { ...nothing, effort: ownEffort ? '' : 'low' };
}

function withEffort(
  request: CreateChatCompletionRequest,
  effort: string,
  { limit }: ThinkingFacts,
  context: EncodeContext,
): Thinking {
  const forced = isForced(request.toolChoice);
  const drop = (why: string): Thinking => {
    context.warn('dropped_reasoning_effort', 'reasoning_effort', why);
    return nothing;
  };
  const { thinking } = context.model;
  if (thinking === 'none') return drop('the model does not think');
  if (thinking !== 'budget') return adaptive(effort, forced, context);
  if (forced) return drop('Anthropic does not let the model think when it has to call a tool');
  if (!mayThink(request.messages))
    return drop("the model's last turn came without its thinking, which Anthropic wants back");
  const budget = Math.min(budgets.get(effort) ?? 8_192, Math.max(minBudget, limit - minBudget));
  return budget < limit ? enabled(budget, '') : drop('the answer is too short for it');
}

function adaptive(effort: string, forced: boolean, context: EncodeContext): Thinking {
  const { model } = context;
  let asked = effort === 'minimal' ? 'low' : effort;
  if (asked === 'xhigh' && !model.extraHigh) asked = 'high';
  // The effort is taken, and is about more than thoughts.
  if (forced) {
    context.warn(
      'dropped_thinking',
      'reasoning_effort',
      'Anthropic does not let the model think when it has to call a tool',
    );
    return { ...nothing, effort: asked };
  }
  // Reasoning is to be seen; the newer models leave out its text otherwise.
  const display = model.omitsThoughts ? ',"display":"summarized"' : '';
  return { json: `{"type":"adaptive"${display}}`, effort: asked, on: true, budget: 0 };
}

/**
 * Whether a model with a budget may think: a turn that it goes on with, after the results of its calls or from a beginning that
 * was put into its mouth, has to begin with the thoughts that it had.
 */
function mayThink(messages: readonly Message[]): boolean {
  const last = messages.findLastIndex(({ role }) => role === Role.ASSISTANT);
  const turn = messages[last];
  if (turn === undefined) return true;
  const goesOn =
    last === messages.length - 1 ||
    messages.slice(last + 1).some(({ parts }) => parts.some(({ content }) => content.case === 'toolResult'));
  return !goesOn || (turn.parts[0] !== undefined && isSigned(turn.parts[0]));
}
