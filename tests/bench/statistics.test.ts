import { describe, expect, it } from 'vitest';
import { median, pairedRatio, quantile } from '../../bench/lib/statistics.ts';

describe('quantile', () => {
  it('interpolates between the closest ranks', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([10, 20, 30], 0)).toBe(10);
    expect(quantile([10, 20, 30], 0.75)).toBe(25);
    expect(quantile([10, 20, 30], 1)).toBe(30);
  });

  it('has no value without values', () => {
    expect(median([])).toBeNaN();
  });
});

describe('pairedRatio', () => {
  it('is exact when every round has the same ratio, whatever the noise common to both', () => {
    const reference = [10, 30, 17, 90, 12];
    const ratio = pairedRatio(
      reference.map((value) => value * 1.5),
      reference,
    );
    expect(ratio.estimate).toBeCloseTo(1.5);
    expect(ratio.low).toBeCloseTo(1.5);
    expect(ratio.high).toBeCloseTo(1.5);
  });

  it('covers the spread of the rounds, and says the same every time', () => {
    const a = [1.4, 1.5, 1.6, 1.5, 1.45, 1.55];
    const b = a.map(() => 1);
    const ratio = pairedRatio(a, b);
    expect(ratio.estimate).toBeCloseTo(1.5);
    expect(ratio.low).toBeGreaterThanOrEqual(1.4);
    expect(ratio.low).toBeLessThan(1.5);
    expect(ratio.high).toBeLessThanOrEqual(1.6);
    expect(ratio.high).toBeGreaterThan(1.5);
    expect(pairedRatio(a, b)).toEqual(ratio);
  });

  it('leaves out a round that one of the two did not finish', () => {
    expect(pairedRatio([2, Number.NaN, 2], [1, 1, 1]).estimate).toBe(2);
    expect(pairedRatio([Number.NaN], [1]).estimate).toBeNaN();
  });
});
