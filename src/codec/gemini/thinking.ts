import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import { number, quote } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';
import type { Members } from './members.ts';

/** Budgets of the efforts, as Google's own OpenAI-compatible API has them. Source: ai.google.dev, "OpenAI compatibility". */
const budgets: ReadonlyMap<string, number> = new Map([
  ['none', 0],
  ['minimal', 1_024],
  ['low', 1_024],
  ['medium', 8_192],
  ['high', 24_576],
  ['xhigh', 32_768],
  ['max', 32_768],
]);

/** Levels of the efforts, likewise. */
const levels: ReadonlyMap<string, string> = new Map([
  ['low', 'LOW'],
  ['medium', 'MEDIUM'],
  ['high', 'HIGH'],
  ['xhigh', 'HIGH'],
  ['max', 'HIGH'],
]);

const effortField = 'parameters.reasoning_effort';
const budgetField = 'parameters.reasoning_budget_tokens';

/**
 * How much the model is to think, and that its thoughts are wanted back: who asks for reasoning is told of it. A budget that the
 * model takes goes as it is, an effort as the level of Gemini 3 or the budget of 2.5.
 */
export function encodeThinking(p: GenerationParameters, context: EncodeContext, into: Members): void {
  const { family } = context;
  const { reasoningBudgetTokens: budget, reasoningEffort: effort } = p;
  if (budget === undefined && effort === '') return;
  if (family.thinking === 'none') {
    if (budget !== undefined)
      context.hint('dropped_reasoning_budget', budgetField, 'the model does not think');
    if (effort !== '') context.hint('dropped_reasoning_effort', effortField, 'the model does not think');
    return;
  }
  if (budget !== undefined) return void setBudget(possible(budget, context), budgetField, context, into);
  if (family.thinking === 'budget') {
    const known = budgets.get(effort.toLowerCase());
    if (known === undefined) return void unknownEffort(effort, context);
    return void setBudget(Math.min(known, family.mostBudget), effortField, context, into);
  }
  setLevel(effort.toLowerCase(), context, into);
}

/** The budget, or the nearest one that the model takes. 0 is none. */
function possible(budget: number, context: EncodeContext): number {
  const { leastBudget, mostBudget } = context.family;
  const taken = budget === 0 ? 0 : Math.min(Math.max(budget, leastBudget), mostBudget);
  if (taken !== budget) {
    const why = `the model takes ${leastBudget} to ${mostBudget} tokens; ${taken} is sent`;
    context.hint('changed_reasoning_budget', budgetField, why);
  }
  return taken;
}

function setBudget(budget: number, field: string, context: EncodeContext, into: Members): void {
  const { thinkingOff, leastBudget } = context.family;
  if (budget === 0 && !thinkingOff) {
    context.hint(
      'reasoning_not_off',
      field,
      'the model cannot but think: it is asked for as little as it can',
    );
    into.set('thinkingBudget', number(leastBudget));
    return;
  }
  if (budget > 0) into.set('includeThoughts', 'true');
  into.set('thinkingBudget', number(budget));
}

function setLevel(effort: string, context: EncodeContext, into: Members): void {
  const { leastLevel, mediumLevel } = context.family;
  if (effort === 'none') {
    context.hint(
      'reasoning_not_off',
      effortField,
      'the model cannot but think: it is asked for as little as it can',
    );
    into.set('thinkingLevel', quote(leastLevel));
    return;
  }
  const known = levels.get(effort);
  const level = effort === 'minimal' ? leastLevel : known === 'MEDIUM' ? mediumLevel : known;
  if (level === undefined) return void unknownEffort(effort, context);
  into.set('includeThoughts', 'true').set('thinkingLevel', quote(level));
}

const unknownEffort = (effort: string, context: EncodeContext): void =>
  context.hint(
    'dropped_reasoning_effort',
    effortField,
    `Gemini knows no effort ${JSON.stringify(effort.slice(0, 32))}`,
  );
