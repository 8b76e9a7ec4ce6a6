import { randomUUID } from 'node:crypto';
import type { RateLimitReport, RateLimitReport_Standing } from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build-limits.ts';
import type { Logger } from '../observability/log.ts';
import { type LimitTerms, shareOf } from './classes.ts';
import { LatePlaces } from './late-places.ts';
import { MemoryLimits } from './memory-store.ts';
import { refused } from './refusal.ts';
import {
  type Account,
  type Claim,
  type Decision,
  type LimitName,
  type LimitStore,
  limitAt,
  numbersOfAccount,
  tokenWindow,
} from './store.ts';

export interface LimitsOptions {
  readonly store: LimitStore;
  /** Read anew for each call. */
  readonly terms: () => LimitTerms;
  readonly log: Logger;
  /** Told of each call that is not let through. */
  readonly onRefused?: (limit: LimitName, account: Account) => void;
  /** In milliseconds, for what this gateway counts by itself. */
  readonly now?: () => number;
}

/** Leases that are renewed with one command. */
const renewedAtOnce = 500;

/**
 * Lets calls through within their limits. While the store is out of reach this gateway counts by itself: a limit is no reason to refuse
 * everybody.
 */
export class Limits {
  readonly #options: LimitsOptions;
  readonly #own: MemoryLimits;
  /** Calls under way whose places have a lease. */
  readonly #leased = new Set<Permit>();
  readonly #settling = new Set<Promise<void>>();
  readonly #late: LatePlaces;
  #renewal: NodeJS.Timeout | null = null;
  #alone = false;

  constructor(options: LimitsOptions) {
    this.#options = options;
    this.#own = new MemoryLimits(options.now);
    this.#late = new LatePlaces(options.store);
  }

  get terms(): LimitTerms {
    return this.#options.terms();
  }

  /**
   * Counts a call that is about to begin. The permit has to be ended.
   * @param tokens that it uses at most, as far as that can be told
   * @returns a promise only where the store has to be asked
   * @throws GatewayError RATE_LIMITED
   */
  take(accounts: readonly Account[], tokens: number): Permit | Promise<Permit> {
    const claim: Claim = { id: this.#newId(), accounts, tokens };
    let decision: Decision | Promise<Decision>;
    const { store } = this.#options;
    try {
      decision = store.take(claim);
    } catch (error) {
      return this.#takeAlone(claim, error);
    }
    if (!(decision instanceof Promise)) return this.#permit(store, claim, decision);
    return decision.then(
      (made) => this.#permit(store, claim, made),
      (error: unknown) => {
        // It may have happened all the same.
        this.settle(store, claim, noNumbers, { over: true, uncounted: false, tokens: 0 });
        return this.#takeAlone(claim, error);
      },
    );
  }

  /** Settles in the background. Of what the store does not take, places are freed later, and the rest goes with its window. */
  settle(
    store: LimitStore,
    { id, accounts }: Pick<Claim, 'id' | 'accounts'>,
    numbers: readonly number[],
    outcome: { readonly over: boolean; readonly uncounted: boolean; readonly tokens: number },
  ): void {
    try {
      const settled = store.settle({ id, accounts, numbers, ...outcome });
      if (settled === undefined) return;
      const done = settled
        .catch(() => this.#freeLater(store, { id, accounts }, outcome.over))
        .finally(() => this.#settling.delete(done));
      this.#settling.add(done);
    } catch {
      this.#freeLater(store, { id, accounts }, outcome.over);
    }
  }

  #freeLater(store: LimitStore, place: Pick<Claim, 'id' | 'accounts'>, over: boolean): void {
    if (over && store.leaseMs !== null) this.#late.add(place);
  }

  over(permit: Permit): void {
    this.#leased.delete(permit);
    if (this.#leased.size > 0 || this.#renewal === null) return;
    clearInterval(this.#renewal);
    this.#renewal = null;
  }

  /** Resolves when everything is settled, or cannot be. */
  async flush(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  /** Settles what is left, within a bound in milliseconds. */
  async close(graceMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, graceMs);
    await Promise.race([this.flush(), late.promise]);
    clearTimeout(timer);
    this.#late.close();
    if (this.#renewal !== null) clearInterval(this.#renewal);
  }

  #newId(): string {
    // Only places with a lease are found by it.
    return this.#options.store.leaseMs === null ? '' : randomUUID();
  }

  #takeAlone({ id, accounts, tokens }: Claim, error: unknown): Permit {
    if (!(error instanceof GatewayError)) throw error;
    if (!this.#alone) {
      this.#alone = true;
      this.#options.log.warn('limits are counted by this gateway alone', { error: error.rawMessage });
    }
    const { outageShare } = this.terms;
    const shares =
      outageShare === 100
        ? accounts
        : accounts.map(({ name, rule }) => ({ name, rule: shareOf(rule, outageShare) }));
    const claim = { id, accounts: shares, tokens };
    return this.#made(this.#own, claim, this.#own.take(claim));
  }

  #permit(store: LimitStore, claim: Claim, decision: Decision): Permit {
    if (this.#alone) {
      this.#alone = false;
      this.#options.log.info('limits are counted in the store again');
    }
    return this.#made(store, claim, decision);
  }

  #made(store: LimitStore, claim: Claim, { refusal, numbers }: Decision): Permit {
    const report = reportOf(claim.accounts, numbers);
    if (refusal !== null) {
      const account = claim.accounts[refusal.account] as Account;
      this.#options.onRefused?.(refusal.limit, account);
      const error = refused(refusal, account, claim.tokens);
      error.rateLimits = report;
      throw error;
    }
    const permit = new Permit(this, store, claim, numbers, report);
    if (store.leaseMs !== null && permit.hasPlace) this.#lease(permit, store.leaseMs);
    return permit;
  }

  #lease(permit: Permit, leaseMs: number): void {
    this.#leased.add(permit);
    this.#renewal ??= setInterval(() => this.#renew(), leaseMs / 3).unref();
  }

  #renew(): void {
    const permits = [...this.#leased];
    const { store } = this.#options;
    for (let at = 0; at < permits.length; at += renewedAtOnce) {
      const claims = permits.slice(at, at + renewedAtOnce).map(({ claim }) => claim);
      // The next renewal is soon; until then the lease lasts.
      try {
        void Promise.resolve(store.renew(claims)).catch(() => {});
      } catch {}
    }
  }
}

const noNumbers: readonly number[] = [];

/** How a call that was let through came out, as far as limits are concerned. */
export type Outcome = 'counted' | 'uncounted';

/** A call that was let through, until it is over. */
export class Permit {
  readonly claim: Claim;
  /** How the limits stand with this call. */
  readonly report: RateLimitReport;
  readonly #limits: Limits;
  readonly #store: LimitStore;
  readonly #numbers: readonly number[];
  /** Tokens used so far. */
  #used = 0;
  #over = false;

  constructor(
    limits: Limits,
    store: LimitStore,
    claim: Claim,
    numbers: readonly number[],
    report: RateLimitReport,
  ) {
    this.#limits = limits;
    this.#store = store;
    this.claim = claim;
    this.#numbers = numbers;
    this.report = report;
  }

  get hasPlace(): boolean {
    return this.claim.accounts.some(({ rule }) => rule.concurrent > 0);
  }

  /** The call has used tokens. Those of an answer that nobody waited for may come late. */
  used(tokens: number): void {
    this.#used += tokens;
    if (this.#over && tokens > 0) this.#settle(false, false, tokens);
  }

  /** The call is over. Only the first time counts. */
  end(outcome: Outcome): void {
    if (this.#over) return;
    this.#over = true;
    this.#limits.over(this);
    this.#settle(true, outcome === 'uncounted', this.#used - this.claim.tokens);
  }

  #settle(over: boolean, uncounted: boolean, tokens: number): void {
    const limited = this.claim.accounts.some(({ rule }) => rule.tokensPerMinute > 0);
    const change = limited ? tokens : 0;
    // A store in memory counts calls under way by their number.
    const freed = over && (this.#store.leaseMs === null || this.hasPlace);
    if (!freed && !uncounted && change === 0) return;
    this.#limits.settle(this.#store, this.claim, this.#numbers, { over, uncounted, tokens: change });
  }
}

/** Of the limits in minutes and hours: the one with least left. */
export function reportOf(accounts: readonly Account[], numbers: readonly number[]): RateLimitReport {
  let requests: Least | null = null;
  let tokens: Least | null = null;
  for (let i = 0; i < accounts.length; i++) {
    const { rule } = accounts[i] as Account;
    for (let w = 1; w <= tokenWindow; w++) {
      const limit = limitAt(rule, w);
      if (limit === 0) continue;
      const at = i * numbersOfAccount + w * 3;
      const remaining = Math.max(0, limit - (numbers[at] as number));
      const before = w === tokenWindow ? tokens : requests;
      if (before !== null && before.remaining <= remaining) continue;
      const least = { limit, remaining, resetMs: Math.max(0, numbers[at + 1] ?? 0) };
      if (w === tokenWindow) tokens = least;
      else requests = least;
    }
  }
  return build.rateLimitReport(standingOf(requests), standingOf(tokens));
}

interface Least {
  readonly limit: number;
  readonly remaining: number;
  readonly resetMs: number;
}

const standingOf = (least: Least | null): RateLimitReport_Standing | undefined =>
  least === null
    ? undefined
    : build.limitStanding(BigInt(least.limit), BigInt(least.remaining), BigInt(least.resetMs));
