/** What is configured of retries, breakers, bulkheads and hedging. */
export interface ResilienceRules {
  readonly retry: RetryRules;
  readonly breaker: BreakerRules;
  readonly bulkhead: BulkheadRules;
  /** `maxConcurrent` of single providers. */
  readonly ownConcurrent: ReadonlyMap<string, number>;
  readonly hedge: HedgeRules;
  /** Whether other models stand in for one that its provider does not have. */
  readonly fallbackOnMissingModel: boolean;
}

export interface RetryRules {
  /** Upstream calls for one model at most, beyond one for each of its deployments; 1: nothing is asked twice. */
  readonly maxAttempts: number;
  /** Upper end of the first wait, which doubles with each; the wait itself is random below it. Milliseconds. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** A provider that wants a longer wait is not asked again. Milliseconds. */
  readonly maxRetryAfterMs: number;
  /** Whether a provider is asked again that did not begin to answer in time. */
  readonly timeouts: boolean;
  /** Retries for 100 calls of a provider, over time. */
  readonly budgetPercent: number;
  /** Retries a second that a provider may have besides. */
  readonly budgetPerSecond: number;
}

export interface BreakerRules {
  /** Failures in a row that open it; 0: no number does. */
  readonly failures: number;
  /** Share of failures within the window that opens it, in percent; 0: none does. */
  readonly failurePercent: number;
  /** Calls within the window before its share counts. */
  readonly windowCalls: number;
  readonly windowMs: number;
  /** How long nothing is asked then; after that one call tries. */
  readonly recoveryMs: number;
}

export interface BulkheadRules {
  /** Calls under way at one provider; 0: any number. */
  readonly maxConcurrent: number;
  /** Calls that wait for one of these to end. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
}

/** When the next deployment is asked beside one that has not begun to answer: never, after a time in ms, or as most calls would have. */
export type HedgeDelay = 'off' | 'p95' | number;

export interface HedgeRules {
  readonly delay: HedgeDelay;
  /** Hedges for 100 calls of a provider, over time. */
  readonly budgetPercent: number;
}
