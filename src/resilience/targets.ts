import { Breaker, type BreakerState } from './breaker.ts';
import { Bulkhead } from './bulkhead.ts';
import { Latency } from './latency.ts';
import type { ResilienceRules } from './rules.ts';
import { TokenBucket } from './token-bucket.ts';

/** A provider's model, as far as the gateway remembers how it did. */
export class Target {
  readonly provider: string;
  readonly upstreamModel: string;
  readonly breaker: Breaker;
  readonly latency = new Latency();
  /** Calls under way. */
  inFlight = 0;
  /** When a call failed after which none has been answered, on the clock of performance.now(). */
  failedAt = Number.NEGATIVE_INFINITY;
  /** Grows with every use. */
  usedAt = 0;

  constructor(provider: string, upstreamModel: string, breaker: Breaker) {
    this.provider = provider;
    this.upstreamModel = upstreamModel;
    this.breaker = breaker;
  }

  /** Name of its breaker. */
  get name(): string {
    return `${this.provider}/${this.upstreamModel}`;
  }
}

/** What all models of a provider share. */
export interface ProviderState {
  readonly bulkhead: Bulkhead;
  readonly retries: TokenBucket;
  readonly hedges: TokenBucket;
}

/** Told of what happens. Every member is optional; none may throw. */
export interface ResilienceListener {
  /** A breaker changes. */
  breakerChanged?(target: Target, from: BreakerState, to: BreakerState): void;
  /** A deployment is asked once more. */
  retried?(target: Target, reason: string): void;
  /** Another model stands in. @param from name of the model that was asked for */
  fellBack?(from: string, to: string): void;
  /** Another deployment is asked beside one that is slow. */
  hedged?(slow: Target, other: Target): void;
}

/** Clients name models, so there may be many. */
const maxTargets = 1_024;

/** What the gateway remembers of how providers and their models did. */
export class Targets {
  readonly rules: () => ResilienceRules;
  readonly #listeners: ResilienceListener[] = [];
  readonly #targets = new Map<string, Target>();
  /** By name. They are the configuration's, so there is a handful. */
  readonly #providers = new Map<string, ProviderState>();
  #uses = 0;

  constructor(rules: () => ResilienceRules) {
    this.rules = rules;
  }

  /** Those of which something is known, with their breakers. */
  list(): Target[] {
    return [...this.#targets.values()];
  }

  /** Providers that were asked. */
  providers(): ReadonlyMap<string, ProviderState> {
    return this.#providers;
  }

  listen(listener: ResilienceListener): void {
    this.#listeners.push(listener);
  }

  of(provider: string, upstreamModel: string): Target {
    const key = `${provider}\n${upstreamModel}`;
    let target = this.#targets.get(key);
    if (target === undefined) {
      if (this.#targets.size >= maxTargets) this.#forgetOne();
      target = this.#make(provider, upstreamModel);
      this.#targets.set(key, target);
    }
    target.usedAt = ++this.#uses;
    return target;
  }

  ofProvider(name: string): ProviderState {
    const known = this.#providers.get(name);
    if (known !== undefined) return known;
    const state: ProviderState = {
      bulkhead: new Bulkhead(name, () => this.rules()),
      retries: new TokenBucket(),
      hedges: new TokenBucket(),
    };
    this.#providers.set(name, state);
    return state;
  }

  tell<K extends keyof ResilienceListener>(
    event: K,
    ...args: Parameters<NonNullable<ResilienceListener[K]>>
  ): void {
    for (const listener of this.#listeners) {
      (listener[event] as ((...given: typeof args) => void) | undefined)?.(...args);
    }
  }

  #make(provider: string, upstreamModel: string): Target {
    const breaker = new Breaker(
      () => this.rules().breaker,
      (from, to) => this.tell('breakerChanged', target, from, to),
    );
    const target = new Target(provider, upstreamModel, breaker);
    return target;
  }

  /** The one used the longest ago of those that nothing hangs on; the oldest of all when there is none. */
  #forgetOne(): void {
    let oldest: [string, Target] | null = null;
    let idle: [string, Target] | null = null;
    for (const entry of this.#targets) {
      const [, target] = entry;
      if (oldest === null || target.usedAt < oldest[1].usedAt) oldest = entry;
      if (target.inFlight > 0 || target.breaker.state !== 'closed') continue;
      if (idle === null || target.usedAt < idle[1].usedAt) idle = entry;
    }
    const [key] = (idle ?? oldest) as [string, Target];
    this.#targets.delete(key);
  }
}
