import { CircuitState, circuitBreaker, handleAll, type IBreaker } from 'cockatiel';
import { steadyMs } from '../base/steady-clock.ts';
import type { BreakerRules } from './rules.ts';

export type BreakerState = 'closed' | 'half-open' | 'open';

const states: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
};

/** The one call that tries whether somebody answers again. To be settled once. */
export interface Probe {
  settle(result: 'alive' | 'trouble' | 'left'): void;
}

const failure = new Error('failed');
const abandoned = new Error('abandoned');
const fails = (): never => {
  throw failure;
};

/**
 * A circuit breaker. What opens and closes it is cockatiel's policy, which learns by running things; the outcome of a stream is known long
 * after its call returned, so here calls are not run through it: they ask first, and tell afterwards.
 */
export class Breaker {
  readonly #rules: () => BreakerRules;
  readonly #now: () => number;
  readonly #outcomes: RowAndShare;
  readonly #policy;
  #openedAt = 0;
  /** Of the latest opening. */
  #recoveryMs = 0;

  /** @param now in milliseconds, by a clock that nobody sets */
  constructor(
    rules: () => BreakerRules,
    onChange: (from: BreakerState, to: BreakerState) => void,
    now: () => number = steadyMs,
  ) {
    this.#rules = rules;
    this.#now = now;
    this.#outcomes = new RowAndShare(rules, now);
    const recoveryOf = (result: object): number =>
      'error' in result && result.error === abandoned ? 0 : rules().recoveryMs;
    this.#policy = circuitBreaker(handleAll, {
      breaker: this.#outcomes,
      halfOpenAfter: {
        next: ({ result }) => {
          // When it is time is decided here: the policy would look at a clock that may be set.
          const next = () => ({
            duration: Number.NEGATIVE_INFINITY,
            next: (context: { result: object }) => {
              this.#opens(recoveryOf(context.result));
              return next();
            },
          });
          this.#opens(recoveryOf(result));
          return next();
        },
      },
    });
    let from: BreakerState = 'closed';
    this.#policy.onStateChange((state) => {
      const to = states[state];
      const before = from;
      from = to;
      onChange(before, to);
    });
  }

  get state(): BreakerState {
    return states[this.#policy.state];
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#outcomes.row;
  }

  /** How long until it lets a call through, in milliseconds; 0 when it does. While one call tries that is not known: then 1 s. */
  get waitMs(): number {
    switch (this.#policy.state) {
      case CircuitState.Closed:
        return 0;
      case CircuitState.HalfOpen:
        return 1_000;
      default:
        return Math.max(0, this.#openedAt + this.#recoveryMs - this.#now());
    }
  }

  /** Asks whether a call may go. A Probe has to be settled; `true` needs `succeeded` or `failed`, if it is known which. */
  enter(): true | Probe | null {
    if (this.#policy.state === CircuitState.Closed) return true;
    if (this.#policy.state !== CircuitState.Open || this.waitMs > 0) return null;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#policy.execute(() => promise).catch(() => {});
    return {
      settle: (result) => {
        if (result === 'alive') resolve();
        else reject(result === 'left' ? abandoned : failure);
      },
    };
  }

  /** A call that was let through has succeeded, or has failed in a way that shows that somebody is there. */
  succeeded(): void {
    if (this.#policy.state === CircuitState.Closed) this.#outcomes.success();
  }

  /** What comes late, when the breaker is open already, tells nothing new. */
  failed(): void {
    if (this.#policy.state !== CircuitState.Closed) return;
    const { failures, failurePercent } = this.#rules();
    if (failures === 0 && failurePercent === 0) return;
    this.#policy.execute(fails).catch(() => {});
  }

  #opens(recoveryMs: number): void {
    this.#openedAt = this.#now();
    this.#recoveryMs = recoveryMs;
  }
}

/** Parts of the window, each forgotten as a whole. */
const slots = 10;

/** Decides by failures in a row, and by their share within a window. */
class RowAndShare implements IBreaker {
  readonly #rules: () => BreakerRules;
  readonly #clock: () => number;
  readonly #good = new Uint32Array(slots);
  readonly #bad = new Uint32Array(slots);
  #slot = 0;
  row = 0;

  constructor(rules: () => BreakerRules, now: () => number) {
    this.#rules = rules;
    this.#clock = now;
  }

  /** For cockatiel's serialization, which is not used. */
  get state(): unknown {
    return this.row;
  }

  set state(_state: unknown) {}

  success(state: CircuitState = CircuitState.Closed): void {
    this.row = 0;
    if (state === CircuitState.HalfOpen) this.#clear();
    const { failurePercent, windowMs } = this.#rules();
    if (failurePercent > 0) this.#good[this.#now(windowMs)]!++;
  }

  failure(state: CircuitState): boolean {
    this.row++;
    const { failures, failurePercent, windowCalls, windowMs } = this.#rules();
    if (failurePercent > 0) this.#bad[this.#now(windowMs)]!++;
    if (state !== CircuitState.Closed || (failures > 0 && this.row >= failures)) return true;
    if (failurePercent === 0) return false;
    const bad = sum(this.#bad);
    const all = bad + sum(this.#good);
    return all >= windowCalls && bad * 100 >= failurePercent * all;
  }

  #clear(): void {
    this.#good.fill(0);
    this.#bad.fill(0);
  }

  /** Index of the present part of the window; parts that are over by now are forgotten. */
  #now(windowMs: number): number {
    const slot = Math.floor(this.#clock() / Math.max(1, windowMs / slots));
    if (slot !== this.#slot) {
      const passed = slot - this.#slot;
      if (passed < 0 || passed >= slots) this.#clear();
      else {
        for (let one = this.#slot + 1; one <= slot; one++) {
          this.#good[one % slots] = 0;
          this.#bad[one % slots] = 0;
        }
      }
      this.#slot = slot;
    }
    return slot % slots;
  }
}

function sum(counts: Uint32Array): number {
  let all = 0;
  for (const count of counts) all += count;
  return all;
}
