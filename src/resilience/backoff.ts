import { fullJitterGenerator } from 'cockatiel';
import type { RetryRules } from './rules.ts';

/** How long to wait before the n-th retry, from 1: anything up to a bound that doubles each time, so that calls do not come back together. */
export function backoffMs(retry: number, { baseDelayMs, maxDelayMs }: RetryRules): number {
  const bounds = {
    initialDelay: baseDelayMs,
    maxDelay: maxDelayMs,
    exponent: 2,
    generator: fullJitterGenerator,
  };
  return fullJitterGenerator(retry - 1, bounds)[0];
}
