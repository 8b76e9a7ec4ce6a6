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

/** Resolves after a time. Rejects with the signal's reason when it aborts before. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal.addEventListener('abort', leave, { once: true });
  });
}
