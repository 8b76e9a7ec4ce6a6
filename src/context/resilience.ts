import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { ResilienceRules } from '../resilience/rules.ts';
import { Targets } from '../resilience/targets.ts';

/** What a configuration says of retries, breakers, bulkheads and hedging. */
export const resilienceRules = (config: Config): ResilienceRules => ({
  retry: {
    maxAttempts: config.retryMaxAttempts,
    baseDelayMs: config.retryBaseDelayMs,
    maxDelayMs: config.retryMaxDelayMs,
    maxRetryAfterMs: config.retryMaxRetryAfterMs,
    timeouts: config.retryTimeouts,
    budgetPercent: config.retryBudgetPercent,
    budgetPerSecond: config.retryBudgetPerSecond,
  },
  breaker: {
    failures: config.upstreamBreakerFailures,
    failurePercent: config.upstreamBreakerPercent,
    windowCalls: config.upstreamBreakerCalls,
    windowMs: config.upstreamBreakerWindowMs,
    recoveryMs: config.upstreamBreakerRecoveryMs,
  },
  bulkhead: {
    maxConcurrent: config.upstreamMaxConcurrent,
    maxWaiting: config.upstreamQueue,
    maxWaitMs: config.upstreamQueueTimeoutMs,
  },
  ownConcurrent: new Map(
    config.providers.flatMap(({ name, maxConcurrent }) =>
      maxConcurrent === undefined ? [] : [[name, maxConcurrent] as const],
    ),
  ),
  hedge: { delay: config.hedgeDelay, budgetPercent: config.hedgeBudgetPercent },
  fallbackOnMissingModel: config.fallbackOnMissingModel,
});

/** What is remembered of providers, with a line in the log for what an operator wants to know. It outlives reloads. */
export function createTargets(rules: () => ResilienceRules, log: Logger): Targets {
  const targets = new Targets(rules);
  targets.listen({
    breakerChanged({ name, provider, breaker }, from, to) {
      const fields = { provider, breaker: name, from, state: to, failures: breaker.failures };
      if (to === 'open') log.warn('circuit breaker opens', fields);
      else log.info(to === 'closed' ? 'circuit breaker closes' : 'circuit breaker probes', fields);
    },
    retried: ({ provider, upstreamModel }, reason) =>
      log.debug('retry', { provider, upstream_model: upstreamModel, reason }),
    fellBack: (from, to) => log.debug('fallback', { model: from, fallback: to }),
    hedged: (slow, other) => log.debug('hedge', { slow: slow.name, other: other.name }),
  });
  return targets;
}
