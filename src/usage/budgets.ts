import { randomUUID } from 'node:crypto';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Principal } from '../auth/principal.ts';
import { ByNames } from '../base/by-names.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import { type AppliedBudget, type BudgetRule, budgetsOf, shownBudget } from './budget-rules.ts';
import { dayMs, type Period, periodOf } from './days.ts';
import { formatNano, nanoOf, type Pico } from './money.ts';
import type { BudgetStore, Claim, Refusal, Settlement, Spent } from './store.ts';

export interface BudgetTerms {
  readonly rules: readonly BudgetRule[];
  /** Percentages of a budget at which the log tells of it, ascending. */
  readonly alertAt: readonly number[];
  /** After how long money is free again that a gateway has set aside and not settled, in milliseconds: longer than any call. */
  readonly leaseMs: number;
}

export interface BudgetsOptions {
  readonly store: BudgetStore;
  /** Read anew for each call. */
  readonly terms: () => BudgetTerms;
  readonly log: Logger;
  /** In milliseconds since 1970. */
  readonly now?: () => number;
  /** Until a settlement is tried again that the store did not take, in milliseconds. */
  readonly retryMs?: number;
}

/** A settlement that the store has not taken yet. */
interface Waiting {
  readonly hold: Hold;
  readonly amount: number;
  /** The store's answer to the first try. */
  answer?: Promise<Spent | null> | undefined;
}

/** Money set aside for a call. */
export interface Hold {
  readonly id: string;
  readonly claims: readonly Claim[];
  readonly budgets: readonly AppliedBudget[];
}

/** How long what was spent is kept after its time is over: a call may end long after it has begun. */
const graceMs = 2 * dayMs;
/** Settlements that wait for the store at most. Money that is lost with further ones is spent without being counted. */
const maxWaiting = 10_000;
/** What is set aside for nothing goes with its lease; until then so many are given back once the store is there again. */
const maxReleases = 1_000;
/** Settlements that are written at once. */
const width = 64;

/** Models by which one caller's budgets are remembered. */
const maxModels = 100;
/** Models without a price that the log tells of; clients name models, so there may be many. */
const maxUnpriced = 100;
const none: readonly never[] = [];

/** Keeps calls within their budgets: money is set aside before a call, and settled by what it has cost. */
export class Budgets {
  readonly #options: BudgetsOptions;
  readonly #now: () => number;
  #waiting: Waiting[] = [];
  /** Those of no amount, apart: they must not be in the way of money. */
  #releases: Waiting[] = [];
  #writing: Promise<void> | null = null;
  #retry: NodeJS.Timeout | null = null;
  #lost = 0;
  /** Holds are named by this and a number. */
  readonly #name = `${randomUUID()}-`;
  #count = 0;
  /** Those that `#applied` goes by. */
  #rules: readonly BudgetRule[] = none;
  /** By provider and model. */
  #applied = new WeakMap<Principal, ByNames<readonly AppliedBudget[]>>();
  readonly #unpriced = new Set<string>();
  readonly #claims = new WeakMap<
    readonly AppliedBudget[],
    { readonly on: Period; readonly claims: readonly Claim[] }
  >();

  constructor(options: BudgetsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** The budgets that a call falls under; the same list for the same caller, model and rules. */
  of(principal: Principal, provider: string, model: string): readonly AppliedBudget[] {
    const { rules } = this.#options.terms();
    if (principal.budget === null && rules.length === 0) return none;
    if (rules !== this.#rules) {
      this.#rules = rules;
      this.#applied = new WeakMap();
    }
    let known = this.#applied.get(principal);
    if (known === undefined) this.#applied.set(principal, (known = new ByNames(maxModels)));
    let applied = known.get(provider, model, '', '');
    if (applied === undefined) {
      applied = budgetsOf(principal, provider, model, rules);
      known.set(provider, model, '', '', applied);
    }
    return applied;
  }

  /**
   * Sets money aside in all of them. A promise only where the store has to be waited for, or when it fails.
   * @param pico what the call is expected to cost at most
   * @throws GatewayError BUDGET_EXHAUSTED, or DEPENDENCY_UNAVAILABLE when the store is out of reach
   */
  reserve(budgets: readonly AppliedBudget[], pico: Pico): Hold | Promise<Hold> {
    const now = this.#now();
    const claims = this.#claimsOn(budgets, now);
    const hold: Hold = { id: `${this.#name}${++this.#count}`, claims, budgets };
    const amount = nanoOf(pico);
    const decided = (refusal: Refusal | null): Hold => {
      if (refusal === null) return hold;
      const { index } = refusal;
      const budget = budgets[index] as AppliedBudget;
      throw exhausted(budget, periodOf(budget.per, now), refusal, amount);
    };
    const lost = (error: unknown): never => {
      // It may have happened all the same.
      this.#settle(hold, 0);
      throw error;
    };
    const { store, terms } = this.#options;
    try {
      const answer = store.reserve(hold.id, claims, amount, terms().leaseMs);
      return answer instanceof Promise ? answer.catch(lost).then(decided) : decided(answer);
    } catch (error) {
      // Of a store that is not waited for: nothing has happened.
      return Promise.reject(error);
    }
  }

  /** What is claimed of budgets on the day of a time; the same list all day. */
  #claimsOn(budgets: readonly AppliedBudget[], now: number): readonly Claim[] {
    const today = periodOf('day', now);
    const known = this.#claims.get(budgets);
    if (known?.on === today) return known.claims;
    const claims = budgets.map(({ account, limit, per }) => {
      const { name, endsMs } = periodOf(per, now);
      return { account: `${account}/${name}`, limit, expiresMs: endsMs === null ? null : endsMs + graceMs };
    });
    this.#claims.set(budgets, { on: today, claims });
    return claims;
  }

  /** An answer falls under budgets, and costs nobody knows what: it uses up nothing of them. Told of once for each model. */
  unpriced(provider: string, model: string): void {
    if (this.#unpriced.size >= maxUnpriced || this.#unpriced.has(model)) return;
    this.#unpriced.add(model);
    this.#options.log.warn('calls of a model without a price use up no budget', { provider, model });
  }

  /** Settles in the background. @param pico what the call has cost */
  settle(hold: Hold, pico: Pico): void {
    this.#settle(hold, nanoOf(pico));
  }

  /** Resolves when everything is settled, or cannot be. */
  async flush(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    if (this.#isWaiting) await this.#write();
  }

  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#waiting.length > 0) {
      this.#options.log.error('spending is lost that the store did not take', {
        calls: this.#waiting.length,
      });
    }
  }

  get #isWaiting(): boolean {
    return this.#waiting.length + this.#releases.length > 0;
  }

  #settle(hold: Hold, amount: number): void {
    const settled: Waiting = { hold, amount };
    // One after the other where the store is slow: then what comes meanwhile is written together.
    if (this.#writing === null && this.#retry === null) {
      try {
        const answer = this.#options.store.settle(settlementOf(settled));
        if (!(answer instanceof Promise)) {
          this.#alertAll(hold, answer);
          return;
        }
        settled.answer = answer;
        // Whoever writes looks at it.
        answer.catch(() => {});
      } catch {
        // It is tried again as one that has to wait.
      }
    }
    this.#queue(settled);
    if (this.#writing === null && this.#retry === null) void this.#write();
  }

  #queue(settled: Waiting): void {
    if (settled.amount === 0) {
      if (this.#releases.length < maxReleases) this.#releases.push(settled);
    } else if (this.#waiting.length < maxWaiting) this.#waiting.push(settled);
    else if (this.#lost++ === 0)
      this.#options.log.error('spending is not counted any more: too much waits for the store');
  }

  #write(): Promise<void> {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
      if (!this.#isWaiting || this.#retry !== null) return;
      const { retryMs = 1_000 } = this.#options;
      this.#retry = setTimeout(() => {
        this.#retry = null;
        void this.#write();
      }, retryMs).unref();
    });
    return this.#writing;
  }

  /** Stops at the first batch of which something fails. */
  async #writeAll(): Promise<void> {
    while (this.#isWaiting) {
      const queue = this.#waiting.length > 0 ? this.#waiting : this.#releases;
      const batch = queue.splice(0, width);
      const results = await Promise.allSettled(batch.map((settled) => this.#writeOne(settled)));
      const failed = batch.filter((_, i) => results[i]?.status === 'rejected');
      queue.unshift(...failed);
      if (failed.length > 0) return;
    }
    if (this.#lost > 0) this.#options.log.warn('spending is counted again', { lost_calls: this.#lost });
    this.#lost = 0;
  }

  async #writeOne(settled: Waiting): Promise<void> {
    const { answer } = settled;
    settled.answer = undefined;
    this.#alertAll(settled.hold, await (answer ?? this.#options.store.settle(settlementOf(settled))));
  }

  #alertAll({ claims, budgets }: Hold, spent: Spent | null): void {
    if (spent === null) return;
    for (let i = 0; i < spent.length; i++) {
      const { before, after } = spent[i] as Spent[number];
      this.#alert(budgets[i] as AppliedBudget, claims[i] as Claim, before, after);
    }
  }

  /** The store tells of each crossing once, whichever gateway brings it about. */
  #alert(budget: AppliedBudget, { account }: Claim, before: number, after: number): void {
    const { limit } = budget;
    const alertAt = budget.alertAt ?? this.#options.terms().alertAt;
    // Most calls are far from all of them.
    if (alertAt.length === 0 || after * 100 < (alertAt[0] as number) * limit) return;
    const crossed = alertAt.findLast(
      (percent) => before * 100 < percent * limit && after * 100 >= percent * limit,
    );
    if (crossed === undefined) return;
    this.#options.log.warn('budget used up in part', {
      budget: budget.name,
      account,
      percent: crossed,
      spent_usd: formatNano(after),
      limit_usd: formatNano(limit),
      per: budget.per,
    });
  }
}

const settlementOf = ({ hold: { id, claims }, amount }: Waiting): Settlement => ({
  hold: id,
  claims,
  amount,
});

function exhausted(
  budget: AppliedBudget,
  { endsMs }: Period,
  { spent, reserved }: Refusal,
  amount: number,
): GatewayError {
  const standing = budget.own
    ? `: $${formatNano(spent)} are spent, $${formatNano(reserved)} set aside for calls under way, and this call may cost $${formatNano(amount)}`
    : '';
  const name = budget.own ? shownBudget(budget) : budget.name;
  const renewal =
    endsMs === null
      ? 'it does not renew'
      : `it renews at ${new Date(endsMs).toISOString().replace('.000', '')}`;
  return new GatewayError(ErrorReason.BUDGET_EXHAUSTED, `budget ${name} is exhausted${standing}; ${renewal}`);
}
