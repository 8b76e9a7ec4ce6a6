import type { Principal } from '../auth/principal.ts';
import type { Account, LimitRule } from './store.ts';

/** What a configuration says of limits. */
export interface LimitTerms {
  /** Rules by class; "default" is always there. */
  readonly classes: ReadonlyMap<string, LimitRule>;
  /** Classes of single keys and owners, by id and name; they win over those of keys. */
  readonly users: ReadonlyMap<string, string>;
  /** Of each key by itself, besides its owner's; null for none. */
  readonly eachKey: LimitRule | null;
  readonly providers: ReadonlyMap<string, LimitRule>;
  /** Of all calls together; null for none. */
  readonly global: LimitRule | null;
  /** Tokens of output that are set aside for a call that does not bound them. */
  readonly usualOutput: number;
  /** Share of each limit that a gateway gives out by itself while the store is out of reach, in percent. */
  readonly outageShare: number;
}

export const globalAccount = 'global';
export const ownerPrefix = 'owner:';

/** Owners of different tenants are different ones. */
export const ownerAccount = (tenant: string, owner: string): string =>
  `${ownerPrefix}${tenant === '' ? '' : `${encodeURIComponent(tenant)}/`}${encodeURIComponent(owner)}`;

/** Whose account it is; null when it is not an owner's. */
export function ownerOf(account: string): { readonly tenant: string; readonly owner: string } | null {
  if (!account.startsWith(ownerPrefix)) return null;
  const parts = account.slice(ownerPrefix.length).split('/').map(decodeURIComponent);
  return { tenant: parts.length > 1 ? (parts[0] as string) : '', owner: parts.at(-1) as string };
}

export function ruleOf(
  { classes, users }: LimitTerms,
  { id, owner, rateClass }: Pick<Principal, 'id' | 'owner' | 'rateClass'>,
): LimitRule {
  const name = users.get(id) ?? users.get(owner) ?? rateClass;
  return classes.get(name) ?? (classes.get('default') as LimitRule);
}

/** Everything that a client's call is counted by; the same list for the same terms. */
export function accountsOf(terms: LimitTerms, principal: Principal): readonly Account[] {
  const known = lists.get(terms) ?? new WeakMap<Principal, readonly Account[]>();
  lists.set(terms, known);
  let accounts = known.get(principal);
  if (accounts === undefined) {
    const { id, owner, tenant } = principal;
    const { eachKey, global } = terms;
    const all: Account[] = [{ name: ownerAccount(tenant, owner), rule: ruleOf(terms, principal) }];
    if (eachKey !== null) all.push({ name: `key:${encodeURIComponent(id)}`, rule: eachKey });
    if (global !== null) all.push({ name: globalAccount, rule: global });
    accounts = all.filter(({ rule }) => limits(rule));
    known.set(principal, accounts);
  }
  return accounts;
}

const lists = new WeakMap<LimitTerms, WeakMap<Principal, readonly Account[]>>();

/** What calls to a provider are counted by, none or one; the same list for the same terms. */
export function providerAccounts(terms: LimitTerms, provider: string): readonly Account[] {
  const rule = terms.providers.get(provider);
  if (rule === undefined || !limits(rule)) return none;
  const known = providerLists.get(terms) ?? new Map<string, readonly Account[]>();
  providerLists.set(terms, known);
  let accounts = known.get(provider);
  if (accounts === undefined) {
    accounts = [{ name: `provider:${encodeURIComponent(provider)}`, rule }];
    known.set(provider, accounts);
  }
  return accounts;
}

const none: readonly Account[] = [];
const providerLists = new WeakMap<LimitTerms, Map<string, readonly Account[]>>();

const limits = (rule: LimitRule): boolean =>
  rule.burst + rule.requestsPerMinute + rule.requestsPerHour + rule.tokensPerMinute + rule.concurrent > 0;

/** A part of a rule, for a gateway by itself. At least one of everything that is limited. */
export function shareOf(rule: LimitRule, percent: number): LimitRule {
  const part = (limit: number): number => Math.ceil((limit * percent) / 100);
  return {
    burst: part(rule.burst),
    requestsPerMinute: part(rule.requestsPerMinute),
    requestsPerHour: part(rule.requestsPerHour),
    tokensPerMinute: part(rule.tokensPerMinute),
    cooldownMs: rule.cooldownMs,
    concurrent: part(rule.concurrent),
  };
}
