export interface RestartsOptions {
  /** Milliseconds on any clock that only goes forward. Default: the process's. */
  readonly now?: () => number;
}

/** Workers in a row, of one number, that end before they serve: it will not get better. */
const mostFailedStarts = 3;
/** Workers that end within a minute, whatever their number. */
const mostEnds = 20;
const windowMs = 60_000;
/** Pause before the second replacement within the window, in milliseconds; doubled with each further one. The first one is immediate. */
const firstPauseMs = 100;
const mostPauseMs = 5_000;

/** Decides when a worker that has ended is replaced, and when there is no point in that. */
export class Restarts {
  readonly #now: () => number;
  /** When workers ended, by number. */
  readonly #ends = new Map<number, number[]>();
  readonly #failedStarts = new Map<number, number>();

  constructor({ now = () => performance.now() }: RestartsOptions = {}) {
    this.#now = now;
  }

  /**
   * A worker has ended that nobody had told to.
   * @param served whether it had come so far that it took calls
   * @returns milliseconds until it may be replaced; null when the gateway should give up
   */
  ended(number: number, served: boolean): number | null {
    const now = this.#now();
    const failed = served ? 0 : (this.#failedStarts.get(number) ?? 0) + 1;
    this.#failedStarts.set(number, failed);
    if (failed >= mostFailedStarts) return null;
    let all = 0;
    for (const [key, times] of this.#ends) {
      const recent = times.filter((time) => now - time < windowMs);
      this.#ends.set(key, recent);
      all += recent.length;
    }
    if (all + 1 >= mostEnds) return null;
    const own = this.#ends.get(number) ?? [];
    this.#ends.set(number, [...own, now]);
    return own.length === 0 ? 0 : Math.min(firstPauseMs * 2 ** (own.length - 1), mostPauseMs);
  }
}
