import { steadyMs } from '../base/steady-clock.ts';

/** Tokens that a bucket holds at most, beyond those of one second: bursts are as large as that. */
const burst = 10;

/**
 * What may be done beyond what was asked for: a share of the calls, and so many a second. In an outage every call would like to be repeated;
 * the bucket is empty soon, and the load grows by the share only.
 */
export class TokenBucket {
  readonly #now: () => number;
  #tokens = burst;
  #at: number;

  /** @param now clock in milliseconds */
  constructor(now: () => number = steadyMs) {
    this.#now = now;
    this.#at = now();
  }

  /** A call was made. */
  earn(percent: number): void {
    if (this.#tokens < burst) this.#tokens += percent / 100;
  }

  /** Takes one token, if there is one. */
  take(perSecond: number): boolean {
    const now = this.#now();
    const refilled = this.#tokens + (Math.max(0, now - this.#at) / 1_000) * perSecond;
    this.#tokens = Math.min(refilled, burst + perSecond);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
