import { type FieldsOf, readFields } from './fields.ts';
import { type BudgetAmount, budgetPeriod, maxUsd } from './grants.ts';
import type { Problems } from './problems.ts';
import { percentageList, text, type ValueReader, Wrong } from './values.ts';

/** A budget of the file. Conditions that are null hold always. */
export interface BudgetConfig extends BudgetAmount {
  readonly name: string;
  readonly tenant: string | null;
  readonly owner: string | null;
  readonly key: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly alertAt: readonly number[] | null;
}

/** What tokens cost of models that have no price; US dollars for a million. */
export interface DefaultPrice {
  readonly input: number;
  readonly output: number;
}

const maxBudgets = 256;

/** Dollars and fractions of them. */
const usd: ValueReader<number> = (raw) => {
  const value = typeof raw === 'string' && /^\s*\d+(?:\.\d+)?\s*$/.test(raw) ? Number(raw) : raw;
  return typeof value === 'number' && value >= 0 && value <= maxUsd
    ? value
    : new Wrong(`US dollars from 0 to ${maxUsd}`);
};

const budgetName: ValueReader<string> = (raw) =>
  typeof raw === 'string' && /^[\w.-]{1,64}$/.test(raw)
    ? raw
    : new Wrong('at most 64 letters, digits, ".", "-" and "_"');

const fields = {
  name: budgetName,
  usd,
  per: budgetPeriod,
  tenant: text,
  owner: text,
  key: text,
  provider: text,
  model: text,
  alert_at: percentageList,
} as const;

/** @param given what `budgets` is in the file */
export function readBudgets(given: unknown, problems: Problems): BudgetConfig[] {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given)) {
    problems.wrong('budgets', given, 'a list of budgets');
    return [];
  }
  if (given.length > maxBudgets)
    problems.add(`budgets: are ${given.length}, have to be at most ${maxBudgets}`);
  const names = new Set<string>();
  return given.flatMap((raw: unknown, index) => {
    const place = `budgets[${index}]`;
    const read = readFields(place, raw, fields, problems);
    if (read === null) return [];
    for (const field of ['name', 'usd', 'per'] as const) {
      const said = (raw as Record<string, unknown>)[field];
      if (said === undefined || said === null || said === '') problems.add(`${place}.${field}: is missing`);
    }
    if (read.name !== undefined && names.has(read.name)) {
      problems.add(`${place}.name: ${problems.shown(read.name)} is there twice`);
    }
    names.add(read.name ?? '');
    return [budgetOf(read)];
  });
}

const budgetOf = (read: FieldsOf<typeof fields>): BudgetConfig => ({
  name: read.name ?? '',
  usd: read.usd ?? 0,
  per: read.per ?? 'day',
  tenant: read.tenant ?? null,
  owner: read.owner ?? null,
  key: read.key ?? null,
  provider: read.provider ?? null,
  model: read.model ?? null,
  alertAt: read.alert_at ?? null,
});

/** @param given what `usage.default_price` is in the file */
export function readDefaultPrice(given: unknown, problems: Problems): DefaultPrice | null {
  if (given === undefined || given === null) return null;
  const read = readFields('usage.default_price', given, { input: usd, output: usd }, problems);
  return read === null ? null : { input: read.input ?? 0, output: read.output ?? 0 };
}
