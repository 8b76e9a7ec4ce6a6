/** What is counted, in this order: stores keep them by their names. */
export const counterNames = [
  'requests',
  'prompt',
  'completion',
  'cached',
  'cacheWrite',
  'reasoning',
  'pico',
  'unpriced',
  'estimated',
  'aborted',
] as const;
export type CounterName = (typeof counterNames)[number];

/** Totals. `pico` is the cost in picodollars. None of them exceeds 2⁶³−1, which is 9 million dollars a day. */
export type Counters = Record<CounterName, bigint>;

export const noCounters = (): Counters =>
  Object.fromEntries(counterNames.map((name) => [name, 0n])) as Counters;

/** Adds up in place. */
export function addCounters(sum: Counters, more: Readonly<Counters>): void {
  for (const name of counterNames) sum[name] += more[name];
}

/** By what totals of a day are told apart. `total` is all of them, under the name ''. */
export const dimensions = ['total', 'model', 'key', 'owner', 'provider', 'tenant'] as const;
export type Dimension = (typeof dimensions)[number];

/** Whose totals: a tenant's; null for all. */
export type Scope = string | null;

/** What is added to the totals of one scope and day. */
export interface UsageBatch {
  /** Unique: a batch is added once however often it is written. */
  readonly id: string;
  readonly scope: Scope;
  /** In UTC, as 2026-05-31. */
  readonly day: string;
  readonly entries: readonly UsageEntry[];
}

export interface UsageEntry {
  readonly dimension: Dimension;
  readonly name: string;
  readonly counters: Counters;
}

/** Names of one dimension that a scope and day has at most; what comes after them is added to `other`. */
export const maxNames = 10_000;
export const otherName = 'other';

/**
 * Keeps the totals of days for so long as it was made for. Each method is one step that happens wholly or not at all; all of them reject with a
 * GatewayError DEPENDENCY_UNAVAILABLE when the store is out of reach, in which case it is not known whether it happened.
 */
export interface UsageStore {
  /** Adds a batch to the totals. One that was written in the last ten minutes is not added again. */
  add(batch: UsageBatch): Promise<void>;
  /** The totals of one dimension by name. */
  read(scope: Scope, day: string, dimension: Dimension): Promise<ReadonlyMap<string, Counters>>;
}

/** Money in nanodollars, whole, at most 9 million dollars, so that doubles hold it exactly. */
type Nano = number;

/** A part of a budget that a call is about to use up. */
export interface Claim {
  /** Names the budget and its time: a new day's is another one. */
  readonly account: string;
  readonly limit: Nano;
  /** When nothing needs to be known of it any more, in milliseconds since 1970; null for never. */
  readonly expiresMs: number | null;
}

/** How a budget stands. */
export interface Balance {
  readonly spent: Nano;
  /** Set aside for calls under way. */
  readonly reserved: Nano;
}

/** What `reserve` came to: null when the money is set aside, else the first budget that has not enough, and how it stands. */
export type Refusal = { readonly index: number } & Balance;

/** What is spent of what was set aside. */
export interface Settlement {
  readonly hold: string;
  readonly claims: readonly Claim[];
  readonly amount: Nano;
}

/** What is spent of each budget of a settlement now, and was before. */
export type Spent = readonly { readonly before: Nano; readonly after: Nano }[];

/**
 * Keeps what is spent of budgets. Each method is one decision for all budgets of a call, by the store's clock; all of them fail with a GatewayError
 * DEPENDENCY_UNAVAILABLE when the store is out of reach, in which case it is not known whether it happened. Promises only where the store
 * has to be waited for.
 */
export interface BudgetStore {
  /**
   * Sets money aside in all budgets, or in none: in each, what is spent and set aside may not exceed the limit. What was set aside by
   * somebody who did not settle it within its lease is free again.
   * @param hold unique name of what is set aside
   */
  reserve(
    hold: string,
    claims: readonly Claim[],
    amount: Nano,
    leaseMs: number,
  ): Refusal | null | Promise<Refusal | null>;
  /**
   * Frees what was set aside, and counts what was spent. Once, however often it is asked within ten minutes.
   * @returns null when it has happened already
   */
  settle(settlement: Settlement): Spent | null | Promise<Spent | null>;
  /** How budgets stand. */
  read(accounts: readonly string[]): Promise<Balance[]>;
}
