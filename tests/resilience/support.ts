import type { ResilienceRules } from '../../src/resilience/rules.ts';

/** Rules of which a test gives those that it is about. */
export const rulesOf = (own: Partial<ResilienceRules> = {}): ResilienceRules => ({
  retry: {
    maxAttempts: 3,
    baseDelayMs: 1,
    maxDelayMs: 2,
    maxRetryAfterMs: 50,
    timeouts: false,
    budgetPercent: 100,
    budgetPerSecond: 1_000,
  },
  breaker: { failures: 5, failurePercent: 0, windowCalls: 10, windowMs: 10_000, recoveryMs: 5_000 },
  bulkhead: { maxConcurrent: 100, maxWaiting: 10, maxWaitMs: 100 },
  ownConcurrent: new Map(),
  hedge: { delay: 'off', budgetPercent: 100 },
  fallbackOnMissingModel: false,
  ...own,
});
