import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { steadyMs } from '../base/steady-clock.ts';

/** When a breaker opens, and for how long. */
export interface BreakerRules {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long nothing is asked then, in milliseconds; after that one call tries. */
  readonly recoveryMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * What became of a try. `trouble` counts as a failure; `alive`, a success or a mistake of the request, ends a row of failures; `left`, given
 * up by the client, tells nothing.
 */
export type Verdict = 'alive' | 'trouble' | 'left';

const states: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.Open]: 'open',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Isolated]: 'open',
};

/** Thrown through the policy, which learns by exceptions. */
class Counted extends Error {
  readonly verdict: Verdict;

  constructor(verdict: Verdict) {
    super(verdict);
    this.verdict = verdict;
  }
}

/** A circuit breaker: keeps calls away from a service that fails. */
export class Breaker {
  readonly #policy;
  readonly #now: () => number;
  /** When the next call may try. */
  #triesAt = 0;

  /** @param now in milliseconds, by a clock that nobody sets */
  constructor(
    { failures, recoveryMs }: BreakerRules,
    onChange: (state: BreakerState) => void,
    now: () => number = steadyMs,
  ) {
    this.#now = now;
    /** What an opening hangs on, as the policy tells it. */
    type Opening = { readonly result: object };
    const opens = ({ result }: Opening) => {
      // A probe that its client gave up has told nothing: the next call probes at once.
      const left = 'error' in result && result.error instanceof Counted && result.error.verdict === 'left';
      this.#triesAt = now() + (left ? 0 : recoveryMs);
      // When it is time is decided here: the policy would look at a clock that may be set.
      return { duration: Number.NEGATIVE_INFINITY, next: opens as (opening: Opening) => never };
    };
    this.#policy = circuitBreaker(
      handleWhen((error) => error instanceof Counted),
      {
        breaker: new ConsecutiveBreaker(failures),
        halfOpenAfter: { next: opens },
      },
    );
    this.#policy.onStateChange((state) => onChange(states[state]));
  }

  get state(): BreakerState {
    return states[this.#policy.state];
  }

  /**
   * Makes a call, unless the breaker keeps it away.
   * @param verdictOf what a rejection of the call means
   * @param refusal what it rejects with when it keeps the call away
   */
  async run<T>(
    call: () => Promise<T>,
    verdictOf: (error: unknown) => Verdict,
    refusal: () => Error,
  ): Promise<T> {
    // One call probes; the policy would let the others wait for it.
    const { state } = this.#policy;
    if (state === CircuitState.HalfOpen) throw refusal();
    if (state === CircuitState.Open && this.#now() < this.#triesAt) throw refusal();
    let outcome: { readonly value: T } | { readonly error: unknown } | null = null;
    try {
      await this.#policy.execute(async () => {
        const probes = this.#policy.state === CircuitState.HalfOpen;
        try {
          outcome = { value: await call() };
        } catch (error) {
          outcome = { error };
          const verdict = verdictOf(error);
          if (verdict === 'trouble' || (verdict === 'left' && probes)) throw new Counted(verdict);
          // Not one that the policy handles: it neither counts nor ends a row.
          if (verdict === 'left') throw error;
        }
      });
    } catch (error) {
      if (outcome === null) throw refusal();
      if (!(error instanceof Counted)) throw error;
    }
    const known = outcome as unknown as { readonly value: T } | { readonly error: unknown };
    if ('error' in known) throw known.error;
    return known.value;
  }
}
