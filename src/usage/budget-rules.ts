import type { Principal } from '../auth/principal.ts';
import { wildcard } from '../base/wildcard.ts';
import { formatNano, nanoOf, picoOf } from './money.ts';

/**
 * A budget as configured. Of the conditions all have to hold; one of `*` gives each tenant, owner … a budget of its own. Owners are of a tenant: those of the same
 * name in several have a budget each.
 */
export interface BudgetRule {
  readonly name: string;
  readonly usd: number;
  readonly per: 'day' | 'month' | 'total';
  readonly tenant: string | null;
  readonly owner: string | null;
  readonly key: string | null;
  readonly provider: string | null;
  /** May have `*` in it for any text: those are one budget, but for `*` alone. */
  readonly model: string | null;
  /** Percentages of it that the log tells of; null for the usual ones. */
  readonly alertAt: readonly number[] | null;
}

/** A budget that a call uses up. */
export interface AppliedBudget {
  /** Its name in the store, without its time. */
  readonly account: string;
  /** For people. */
  readonly name: string;
  /** In nanodollars. */
  readonly limit: number;
  readonly per: 'day' | 'month' | 'total';
  readonly alertAt: readonly number[] | null;
  /** Whether the caller may know how it stands: it is the caller's, its owner's or its tenant's. */
  readonly own: boolean;
}

const conditions = ['tenant', 'owner', 'key', 'provider', 'model'] as const;

/** What of a call budgets ask for. */
type Facts = Readonly<Record<(typeof conditions)[number], string>>;

/** The budgets that a call falls under. */
export function budgetsOf(
  principal: Principal,
  provider: string,
  model: string,
  rules: readonly BudgetRule[],
): AppliedBudget[] {
  const applied: AppliedBudget[] = [];
  const { budget, id, tenant, owner } = principal;
  if (budget !== null) {
    const { usd, per, issuer } = budget;
    const [account, name] =
      issuer === undefined
        ? [`key/${id}`, `of key ${id}`]
        : [`issuer/${[issuer, tenant, owner].map(encodeURIComponent).join('/')}`, `of owner ${owner}`];
    applied.push({ account, name, limit: limitOf(usd), per, alertAt: null, own: true });
  }
  const facts: Facts = { tenant, owner, key: id, provider, model };
  for (const rule of rules) {
    const account = accountOf(rule, facts);
    if (account === null) continue;
    const own = rule.tenant !== null || rule.owner !== null || rule.key !== null;
    const limit = limitOf(rule.usd);
    applied.push({ account, name: rule.name, limit, per: rule.per, alertAt: rule.alertAt, own });
  }
  return applied;
}

const limits = new Map<number, number>();

/** Nanodollars of a configured budget. */
function limitOf(usd: number): number {
  let limit = limits.get(usd);
  if (limit === undefined) {
    if (limits.size >= 1_000) limits.clear();
    limit = nanoOf(picoOf(usd) ?? 0n);
    limits.set(usd, limit);
  }
  return limit;
}

/** Null when a condition does not hold. */
function accountOf(rule: BudgetRule, facts: Facts): string | null {
  let account = `rule/${rule.name}`;
  for (const condition of conditions) {
    const wanted = rule[condition];
    const fact = facts[condition];
    if (wanted === null) {
      if (condition === 'tenant' && rule.owner !== null) account += `/tenant=${encodeURIComponent(fact)}`;
      continue;
    }
    if (wanted === '*') account += `/${condition}=${encodeURIComponent(fact)}`;
    else if (condition === 'model' ? !matches(wanted, fact) : wanted !== fact) return null;
  }
  return account;
}

const patterns = new Map<string, (text: string) => boolean>();

function matches(pattern: string, text: string): boolean {
  let fits = patterns.get(pattern);
  if (fits === undefined) {
    if (patterns.size >= 1_000) patterns.clear();
    fits = wildcard(pattern);
    patterns.set(pattern, fits);
  }
  return fits(text);
}

/** A budget and how much it is, for people: "team-a ($10 a day)". */
export const shownBudget = ({ name, limit, per }: AppliedBudget): string =>
  `${name} ($${formatNano(limit)} ${per === 'total' ? 'in total' : `a ${per}`})`;
