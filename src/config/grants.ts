import type { FieldsOf } from './fields.ts';
import { isMap } from './file.ts';
import { flag, list, oneOf, type ValueReader, Wrong } from './values.ts';

/** How much money may be spent within a time. */
export interface BudgetAmount {
  /** In US dollars. */
  readonly usd: number;
  readonly per: 'day' | 'month' | 'total';
}

/** US dollars. Larger sums could not be counted exactly. */
export const maxUsd = 1_000_000;

export const budgetPeriod = oneOf(['day', 'month', 'total']);

/** More patterns of models are not taken for one key. */
export const maxPatterns = 256;
/** Of names and of patterns of models. */
export const maxNameLength = 256;

/** Printable ASCII without spaces around it. */
export const isPlain = (raw: unknown, mostChars: number): raw is string =>
  typeof raw === 'string' && raw.length <= mostChars && /^[\x20-\x7e]+$/.test(raw) && raw.trim() === raw;

/** What keys, owners, tenants and classes are called. */
export const grantName: ValueReader<string> = (raw) => {
  const value = typeof raw === 'number' ? String(raw) : raw;
  return isPlain(value, maxNameLength)
    ? value
    : new Wrong('1 to 256 characters of printable ASCII, without spaces around them');
};

/** Patterns of models, with `*` for any text. */
export const modelPatterns: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const fits =
    !(items instanceof Wrong) &&
    items.length >= 1 &&
    items.length <= maxPatterns &&
    items.every((item) => isPlain(item, maxNameLength));
  return fits ? items : new Wrong(`a list of 1 to ${maxPatterns} names of models, with * for any text`);
};

export const budget: ValueReader<BudgetAmount> = (raw) => {
  const wrong = new Wrong(
    `a map of \`usd\` (more than 0, at most ${maxUsd}) and \`per\` (day, month or total; default month), such as { usd: 100, per: month }`,
  );
  if (!isMap(raw) || Object.keys(raw).some((name) => !['usd', 'per'].includes(name))) return wrong;
  const usd = typeof raw['usd'] === 'string' ? Number(raw['usd'] || Number.NaN) : raw['usd'];
  const per = budgetPeriod(raw['per'] ?? 'month');
  const fits = typeof usd === 'number' && usd > 0 && usd <= maxUsd && !(per instanceof Wrong);
  return fits ? { usd, per } : wrong;
};

/** What a key, or whoever has a token of an issuer, may be granted. */
export const grantFields = {
  owner: grantName,
  tenant: grantName,
  rate_class: grantName,
  models: modelPatterns,
  budget,
  admin: flag,
} as const;

export type GrantFields = FieldsOf<typeof grantFields>;
