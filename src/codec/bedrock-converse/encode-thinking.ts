import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import type { ClaudeModel } from '../claude-model.ts';
import { number } from '../json.ts';
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

const nothing: EncodedThinking = { fields: '', effort: '', thinks: false };

/** Budgets in tokens for models that have budgets; the least that Claude takes is 1,024. */
const budgets: Readonly<Record<string, number>> = {
  minimal: 1_024,
  low: 2_048,
  medium: 8_192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_000,
};
const leastBudget = 1_024;

/**
 * Effort and budget in the terms of the model. Claude has budgets up to 4.5 and decides for itself, by effort, since 4.6; Nova 2 and gpt-oss
 * have efforts. What a model cannot be told is reported.
 * @param forced a tool has to be called, which Claude cannot do when it thinks
 */
export function encodeThinking(
  p: GenerationParameters,
  forced: boolean,
  context: EncodeContext,
): EncodedThinking {
  const { vendor, claude, nova2 } = context.traits;
  const { reasoningEffort: effort, reasoningBudgetTokens: budget } = p;
  if (effort === '' && budget === undefined) return nothing;
  if (claude !== null && claude.thinking !== 'none') {
    const told = encodeClaude(p, claude, context);
    if (!told.thinks || !forced) return told;
    if (budget !== undefined) {
      const field = 'parameters.reasoning_budget_tokens';
      throw invalidRequest(field, `Invalid '${field}': the model cannot think when a tool has to be called`);
    }
    context.warn(
      'dropped_reasoning_effort',
      'reasoning_effort',
      'the model cannot think when a tool has to be called',
    );
    return nothing;
  }
  if (budget !== undefined) {
    context.warn(
      'dropped_reasoning_budget',
      'parameters.reasoning_budget_tokens',
      'the model takes no reasoning budget',
    );
  }
  if (effort === '') return nothing;
  const word = lowMediumHigh(effort);
  if (nova2) {
    const config = word === '' ? '{"type":"disabled"}' : `{"type":"enabled","maxReasoningEffort":"${word}"}`;
    return { ...nothing, fields: `"reasoningConfig":${config}` };
  }
  if (vendor === 'openai')
    return { ...nothing, fields: `"reasoning_effort":"${word === '' ? 'low' : word}"` };
  context.warn('dropped_reasoning_effort', 'reasoning_effort', 'the model takes no reasoning effort');
  return nothing;
}

/** '' for none. */
const lowMediumHigh = (effort: string): string =>
  effort === 'none'
    ? ''
    : effort === 'minimal' || effort === 'low'
      ? 'low'
      : effort === 'medium'
        ? 'medium'
        : 'high';

function encodeClaude(
  p: GenerationParameters,
  { thinking, off, omitsThoughts, extraHigh }: ClaudeModel,
  context: EncodeContext,
): EncodedThinking {
  const { reasoningEffort: effort, reasoningBudgetTokens: given, maxOutputTokens: limit } = p;
  // Until 4.6 it does not think unless it is told to.
  const without = () => (thinking === 'adaptive' ? withoutThinking(off, context) : nothing);
  if (given === 0) return without();
  if (given !== undefined && thinking !== 'adaptive') return enabled(checkedBudget(given, limit));
  if (given !== undefined) {
    const why = 'the model takes no budget: it is told an effort instead';
    context.warn('dropped_reasoning_budget', 'parameters.reasoning_budget_tokens', why);
  }
  if (effort === 'none') return without();
  if (thinking !== 'budget') {
    // Reasoning is to be seen; the newer models leave out its text otherwise.
    const display = omitsThoughts ? ',"display":"summarized"' : '';
    const asked = effort === '' && given !== undefined ? effortOf(given) : effort;
    return {
      fields: `"thinking":{"type":"adaptive"${display}}`,
      effort: effortWord(asked, extraHigh),
      thinks: true,
    };
  }
  const wanted = budgets[effort] ?? budgets['medium']!;
  // The answer needs room beside the thoughts.
  const room = limit === undefined ? wanted : Math.min(wanted, Math.floor(limit * 0.8));
  if (room >= leastBudget) return enabled(room);
  const field = 'reasoning_effort';
  context.warn(
    'dropped_reasoning_effort',
    field,
    `max_tokens leaves less than the ${leastBudget} tokens that thinking needs`,
  );
  return nothing;
}

/** Models that think by themselves have to be told; of those that always do the effort is low. */
function withoutThinking(off: ClaudeModel['off'], context: EncodeContext): EncodedThinking {
  if (off === 'omit') return nothing;
  if (off !== 'never') return { ...nothing, fields: `"thinking":{"type":"${off}"}` };
  context.warn(
    'dropped_reasoning_effort',
    'reasoning_effort',
    'the model always thinks: its effort is low instead',
  );
  return { ...nothing, effort: 'low' };
}

/** The effort whose budget comes next. */
function effortOf(budget: number): string {
  for (const [effort, tokens] of Object.entries(budgets)) {
    if (effort !== 'minimal' && budget <= tokens) return effort;
  }
  return 'max';
}

const enabled = (budget: number): EncodedThinking => ({
  fields: `"thinking":{"type":"enabled","budget_tokens":${number(budget)}}`,
  effort: '',
  thinks: true,
});

function checkedBudget(budget: number, limit: number | undefined): number {
  const field = 'parameters.reasoning_budget_tokens';
  if (budget < leastBudget)
    throw invalidRequest(field, `Invalid '${field}': the model takes ${leastBudget} or more`);
  if (limit !== undefined && budget >= limit) {
    throw invalidRequest(
      field,
      `Invalid '${field}': it has to be smaller than max_tokens, of which it is a part`,
    );
  }
  return budget;
}

/** `xhigh` came with 4.7. Source: "Effort" in Anthropic's documentation. */
function effortWord(effort: string, xhigh: boolean): string {
  if (effort === 'minimal') return 'low';
  if (effort === 'xhigh' && !xhigh) return 'high';
  return effort;
}
