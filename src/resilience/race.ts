import type { GatewayError } from '../errors/gateway-error.ts';
import type { Way } from './verdict.ts';

/** How one attempt failed. */
export class Failed {
  readonly way: Way;
  /** Null when it was not made: the breaker is open. */
  readonly error: GatewayError | null;

  constructor(way: Way, error: GatewayError | null) {
    this.way = way;
    this.error = error;
  }
}

/** The answer of whoever has one first; a failure when both fail. @returns also which of them it is */
export async function firstOf<T>(
  first: Promise<T | Failed>,
  second: Promise<T | Failed>,
): Promise<{ readonly result: T | Failed; readonly i: number }> {
  const both = [first, second].map((attempt, i) => attempt.then((result) => ({ result, i })));
  // The one that is given up may reject afterwards.
  for (const attempt of both) attempt.catch(() => {});
  const early = await Promise.race(both);
  if (!(early.result instanceof Failed)) return early;
  const late = await (both[1 - early.i] as (typeof both)[number]);
  return late.result instanceof Failed ? { result: await first, i: 0 } : late;
}
