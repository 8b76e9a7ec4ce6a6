import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { ThinkValue } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/** Efforts from the least to the most. */
const ranks: readonly string[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

/**
 * `think` for the effort that is asked for: off, a level by name for models that have levels, otherwise on.
 * @param model its name at Ollama
 * @param known what the model takes, from /api/show; undefined where that is not known
 * @returns undefined when nothing is to be sent
 */
export function thinkFor(
  { reasoningEffort: effort, reasoningBudgetTokens: budget }: GenerationParameters,
  model: string,
  known: readonly ThinkValue[] | undefined,
  context: EncodeContext,
): ThinkValue | undefined {
  if (budget !== undefined && budget > 0) {
    context.hint(
      'dropped_reasoning_budget',
      'reasoning_budget_tokens',
      'Ollama has no budgets for reasoning',
    );
  }
  if (effort === '' && budget === undefined) return undefined;
  const wanted = effort === '' ? (budget === 0 ? 'none' : 'medium') : effort;
  const values = known ?? valuesByName(model);
  const off = wanted === 'none';
  if (off && values.includes(false)) return false;
  const level = closest(values, off ? 'minimal' : wanted);
  if (off) {
    if (level !== undefined) {
      context.hint('changed_reasoning_effort', 'reasoning_effort', 'the model cannot be kept from reasoning');
    }
    return level;
  }
  if (level !== undefined) return level;
  if (values.includes(true)) return true;
  context.hint('dropped_reasoning_effort', 'reasoning_effort', 'the model does not reason');
  return undefined;
}

/** What models take of which only the name is known. Levels are refused by those that have none. */
const valuesByName = (model: string): readonly ThinkValue[] =>
  /\bgpt-oss\b/i.test(model) ? ['low', 'medium', 'high'] : [false, true];

/** The level of that name, or else the nearest one, of two the higher. */
function closest(values: readonly ThinkValue[], wanted: string): string | undefined {
  const levels = values.filter((value) => typeof value === 'string');
  if (levels.includes(wanted)) return wanted;
  const rank = ranks.indexOf(wanted);
  if (rank < 0) return undefined;
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const level of levels) {
    const own = ranks.indexOf(level);
    const distance = Math.abs(own - rank) - (own > rank ? 0.5 : 0);
    if (own >= 0 && distance < least) [best, least] = [level, distance];
  }
  return best;
}
