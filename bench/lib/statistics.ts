// Medians, quantiles, and ratios with confidence intervals.

export interface Interval {
  /** Point estimate. */
  estimate: number;
  /** Bounds of the 95 % confidence interval. */
  low: number;
  high: number;
}

/** Linear interpolation between the closest ranks; NaN for no values. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Median of the ratios of rounds that ran next to each other, with a percentile bootstrap interval.
 *
 * Pairs cancel what a noisy machine does to both; the median ignores a round that was disturbed alone.
 * `a[i]` and `b[i]` belong to the same round; a round where either is missing (NaN) does not count.
 */
export function pairedRatio(a: readonly number[], b: readonly number[], resamples = 2000): Interval {
  const ratios: number[] = [];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const ratio = a[i]! / b[i]!;
    if (Number.isFinite(ratio)) ratios.push(ratio);
  }
  const random = generator(ratios.length);
  const estimates: number[] = [];
  for (let i = 0; i < resamples; i++) {
    const sample = ratios.map(() => ratios[Math.floor(random() * ratios.length)]!);
    estimates.push(median(sample));
  }
  return { estimate: median(ratios), low: quantile(estimates, 0.025), high: quantile(estimates, 0.975) };
}

// mulberry32, seeded: the same measurements always give the same interval.
function generator(seed: number): () => number {
  let state = (seed + 0x9e3779b9) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
