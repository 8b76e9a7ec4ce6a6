/** Weight of the latest time in the mean. */
const weight = 0.2;
/** Times that are kept; of fewer than `enough` the 95th percentile says nothing. */
const kept = 64;
const enough = 20;

/** How long a deployment took lately until its first output, in milliseconds. */
export class Latency {
  #mean = 0;
  #times: Float64Array | null = null;
  #count = 0;

  /** Exponentially weighted mean; 0 when nothing is known. */
  get mean(): number {
    return this.#mean;
  }

  add(ms: number): void {
    this.#mean = this.#count === 0 ? ms : this.#mean + weight * (ms - this.#mean);
    this.#times ??= new Float64Array(kept);
    this.#times[this.#count++ % kept] = ms;
  }

  /** As long as 95 of 100 calls take at most; null when too few were made. */
  p95(): number | null {
    if (this.#times === null || this.#count < enough) return null;
    const times = this.#times.slice(0, Math.min(this.#count, kept)).sort();
    return times[Math.ceil(times.length * 0.95) - 1] as number;
  }
}
