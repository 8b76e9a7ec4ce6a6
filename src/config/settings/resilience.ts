import { type Setting, setting, time } from '../setting.ts';
import { duration, flag, type ValueReader, Wrong, wholeNumber } from '../values.ts';

const wait = duration(1, 3_600_000);

/** When a second deployment is asked: never, as soon as most calls would have answered, or after a time in milliseconds. */
export const hedgeDelay: ValueReader<'off' | 'p95' | number> = (raw) => {
  const word = typeof raw === 'string' ? raw.trim().toLowerCase() : raw;
  // YAML reads the word as a boolean.
  if (word === 'off' || word === false) return 'off';
  if (word === 'p95') return 'p95';
  const ms = wait(raw);
  return ms instanceof Wrong ? new Wrong(`off, p95, or ${ms.allowed}`) : ms;
};

/** Retries, circuit breakers, bulkheads and hedging of calls to providers. */
export const resilienceSettings = {
  retryMaxAttempts: setting(
    'retry.max_attempts',
    'RETRY_MAX_ATTEMPTS',
    wholeNumber(1, 10),
    3,
    'Upstream calls for one model at most, the first included; 1 for no retries',
  ),
  retryBaseDelayMs: time(
    'retry.base_delay',
    'RETRY_BASE_DELAY',
    [1, 60_000],
    250,
    'Longest wait before the first retry; it doubles with each, and the wait itself is random below it',
  ),
  retryMaxDelayMs: time('retry.max_delay', 'RETRY_MAX_DELAY', [1, 60_000], 4_000, 'Bound of that'),
  retryMaxRetryAfterMs: time(
    'retry.max_retry_after',
    'RETRY_MAX_RETRY_AFTER',
    [1, 600_000],
    5_000,
    'A provider whose `Retry-After` is longer is not asked again',
  ),
  retryTimeouts: setting(
    'retry.timeouts',
    'RETRY_TIMEOUTS',
    flag,
    false,
    'Whether a provider is asked again that took the request and did not begin to answer in time',
  ),
  retryBudgetPercent: setting(
    'retry.budget_percent',
    'RETRY_BUDGET_PERCENT',
    wholeNumber(0, 100),
    10,
    'Retries for 100 calls of a provider, so that an outage is not multiplied',
  ),
  retryBudgetPerSecond: setting(
    'retry.budget_per_second',
    'RETRY_BUDGET_PER_SECOND',
    wholeNumber(0, 10_000),
    1,
    'Retries a second that a provider may have besides',
  ),
  upstreamBreakerFailures: setting(
    'upstream_breaker.failures',
    'UPSTREAM_BREAKER_FAILURES',
    wholeNumber(0, 10_000),
    10,
    "Failures in a row after which a provider's model is not asked for a while; 0 for any number",
  ),
  upstreamBreakerPercent: setting(
    'upstream_breaker.failure_percent',
    'UPSTREAM_BREAKER_FAILURE_PERCENT',
    wholeNumber(0, 100),
    50,
    'Share of failures that does the same; 0 for none',
  ),
  upstreamBreakerCalls: setting(
    'upstream_breaker.min_calls',
    'UPSTREAM_BREAKER_MIN_CALLS',
    wholeNumber(1, 1_000_000),
    20,
    'Calls within the window before their share counts',
  ),
  upstreamBreakerWindowMs: time(
    'upstream_breaker.window',
    'UPSTREAM_BREAKER_WINDOW',
    [1_000, 3_600_000],
    30_000,
    'The window',
  ),
  upstreamBreakerRecoveryMs: time(
    'upstream_breaker.recovery',
    'UPSTREAM_BREAKER_RECOVERY',
    [10, 3_600_000],
    30_000,
    'How long it is not asked then; after that one call tries',
  ),
  upstreamMaxConcurrent: setting(
    'upstream.max_concurrent',
    'UPSTREAM_MAX_CONCURRENT',
    wholeNumber(0, 1_000_000),
    2_048,
    'Most calls under way at one provider, streams included; 0 for any number',
  ),
  upstreamQueue: setting(
    'upstream.queue',
    'UPSTREAM_QUEUE',
    wholeNumber(0, 1_000_000),
    256,
    'Calls that wait for one of these to end; more are refused',
  ),
  upstreamQueueTimeoutMs: time(
    'upstream.queue_timeout',
    'UPSTREAM_QUEUE_TIMEOUT',
    [1, 600_000],
    5_000,
    'How long they wait',
  ),
  fallbackOnMissingModel: setting(
    'fallback_on_missing_model',
    'FALLBACK_ON_MISSING_MODEL',
    flag,
    false,
    'Whether fallbacks stand in for a model that its provider does not know',
  ),
  hedgeDelay: setting(
    'hedge.delay',
    'HEDGE_DELAY_SECONDS',
    hedgeDelay,
    'off',
    'When the next deployment or fallback is asked beside one without first output: `off`, `p95` (of its latest calls), or a time',
  ) as Setting<'off' | 'p95' | number>,
  hedgeBudgetPercent: setting(
    'hedge.budget_percent',
    'HEDGE_BUDGET_PERCENT',
    wholeNumber(0, 100),
    5,
    'Hedges for 100 calls of a provider',
  ),
} as const;
