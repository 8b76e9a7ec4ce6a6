import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type ClaudeModel, claudeReasoning } from './claude-model.ts';
import type { EncodeWarnings } from './encode-warnings.ts';
import { number, rest } from './json.ts';

/** How Claude is told to think, in the words that it has on every host. */
export interface ClaudeThinking {
  /** JSON text of `thinking`; '' for none. */
  readonly json: string;
  /** The effort that goes with it; '' for none. */
  readonly effort: string;
  /** It was asked to think, which forbids much else. */
  readonly on: boolean;
  /** Tokens that thoughts may take of the answer's; 0 where that is up to the model. */
  readonly budget: number;
}

export const noThinking: ClaudeThinking = { json: '', effort: '', on: false, budget: 0 };

/** What of the rest of a request decides how Claude may think. */
export interface ThinkingFacts {
  /** A tool has to be called. */
  readonly forced: boolean;
  /** Most tokens of the answer, thoughts included; infinity where nothing is known. */
  readonly limit: number;
  /** A budget may be larger than the answer: thinking between the calls of tools. */
  readonly interleaved: boolean;
  /** The client has written an effort in the host's own words: it asks for no thinking by that. */
  readonly ownEffort: boolean;
  /** Members that go into `thinking` beside a budget, as text without braces. */
  readonly members: string;
}

/** Least budget that Claude takes. */
const minBudget = 1_024;

/** Budgets of efforts, for models that have only budgets; in rising order. */
const budgets: ReadonlyMap<string, number> = new Map([
  ['minimal', 1_024],
  ['low', 2_048],
  ['medium', 8_192],
  ['high', 16_384],
  ['xhigh', 24_576],
  ['max', 31_999],
]);

const budgetField = 'parameters.reasoning_budget_tokens';
const effortField = 'reasoning_effort';
const tooShort = `the answer's limit leaves less than the ${minBudget} tokens that thinking needs`;
const whenForced = 'Claude does not think when it has to call a tool';

/**
 * What Claude's reasoning is asked to be. An effort is a hint: where it cannot be had beside what the answer's meaning hangs on,
 * it is dropped and reported.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a budget beside a tool that has to be called
 */
export function claudeThinking(
  { parameters, messages }: CreateChatCompletionRequest,
  model: ClaudeModel,
  facts: ThinkingFacts,
  warnings: EncodeWarnings,
): ClaudeThinking {
  if (parameters === undefined) return noThinking;
  const { reasoningBudgetTokens: budget, reasoningEffort: effort } = parameters;
  if (budget !== undefined && budget > 0) return withBudget(budget, effort, { model, facts, warnings });
  if (budget === 0 || effort === 'none') return withoutThinking({ model, facts, warnings });
  if (effort === '' || facts.ownEffort) return noThinking;
  return withEffort(effort, messages, { model, facts, warnings });
}

interface Asked {
  readonly model: ClaudeModel;
  readonly facts: ThinkingFacts;
  readonly warnings: EncodeWarnings;
}

function withBudget(given: number, effort: string, asked: Asked): ClaudeThinking {
  const { model, facts, warnings } = asked;
  const { forced, limit, interleaved, ownEffort, members } = facts;
  const drop = (why: string): ClaudeThinking => {
    warnings.hint('dropped_reasoning_budget', budgetField, why);
    return noThinking;
  };
  if (model.thinking === 'none') return drop('the model does not think');
  if (model.thinking === 'adaptive') {
    drop('the model takes no budget: it is told an effort instead');
    const word = effort === '' || effort === 'none' ? effortOf(given) : effort;
    return adaptive(ownEffort ? '' : word, asked);
  }
  if (forced) {
    warnings.refuse('reasoning_budget', 'tool_choice', `${whenForced}, and a budget asks it to think`);
    return noThinking;
  }
  if (!interleaved && limit <= minBudget) return drop(tooShort);
  const budget = Math.min(Math.max(given, minBudget), interleaved ? Number.POSITIVE_INFINITY : limit - 1);
  if (budget !== given) {
    const why = `Claude takes ${minBudget} tokens and more, and less than the answer's limit; ${budget} is sent`;
    warnings.hint('changed_reasoning_budget', budgetField, why);
  }
  return enabled(budget, members);
}

const enabled = (budget: number, members: string): ClaudeThinking => ({
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

/** Models that think by themselves have to be told; of those that always do the effort is low. */
function withoutThinking({ model: { off }, facts: { ownEffort }, warnings }: Asked): ClaudeThinking {
  if (off === 'omit') return noThinking;
  if (off !== 'never') return { ...noThinking, json: `{"type":"${off}"}` };
  const why = 'the model always thinks: its effort is low instead';
  warnings.hint('dropped_reasoning_effort', effortField, why);
  return { ...noThinking, effort: ownEffort ? '' : 'low' };
}

function withEffort(effort: string, messages: readonly Message[], asked: Asked): ClaudeThinking {
  const { model, facts, warnings } = asked;
  const drop = (why: string): ClaudeThinking => {
    warnings.hint('dropped_reasoning_effort', effortField, why);
    return noThinking;
  };
  if (model.thinking === 'none') return drop('the model does not think');
  if (model.thinking !== 'budget') return adaptive(effort, asked);
  if (facts.forced) return drop(whenForced);
  if (!mayThink(messages)) {
    return drop("the model's last turn came without its thinking, which Claude wants back");
  }
  // The answer needs room beside the thoughts.
  const room = Math.max(minBudget, facts.limit - minBudget);
  const budget = Math.min(budgets.get(effort) ?? 8_192, room);
  return budget < facts.limit ? enabled(budget, '') : drop(tooShort);
}

/** As it sees fit. The effort is about more than thoughts, so that it is sent without them, too. */
function adaptive(effort: string, { model, facts, warnings }: Asked): ClaudeThinking {
  let word = effort === 'minimal' ? 'low' : effort;
  if (word === 'xhigh' && !model.extraHigh) word = 'high';
  if (facts.forced) {
    warnings.hint('dropped_thinking', effortField, whenForced);
    return { ...noThinking, effort: word };
  }
  // Reasoning is to be seen; the newer models leave out its text otherwise.
  const display = model.omitsThoughts ? ',"display":"summarized"' : '';
  return { json: `{"type":"adaptive"${display}}`, effort: word, on: true, budget: 0 };
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

/** Whether it is reasoning that Claude takes back. */
const isSigned = ({ content }: Part): boolean =>
  content.case === 'reasoning' &&
  content.value.format === claudeReasoning &&
  (content.value.encrypted !== '' || content.value.signature !== '');
