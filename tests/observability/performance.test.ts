import { expect, test } from 'vitest';
import { joinedViews, Performance, type Performed, percentile } from '../../src/observability/performance.ts';

const call = (changes: Partial<Performed> = {}): Performed => ({
  provider: 'openai',
  failed: false,
  left: false,
  seconds: 1,
  tokens: 10,
  cache: '',
  owner: 'ann',
  requestId: 'r',
  ...changes,
});

const hour = 3_600_000;

test('calls are of the last hours, and those before a week are forgotten', () => {
  let now = 1_000 * hour;
  const performance = new Performance(() => now);
  performance.count(call());
  performance.spent('openai', 0.5);
  now += 2 * hour;
  performance.count(call({ failed: true, provider: '' }));
  performance.spent('openai', 0.5);
  expect(performance.last(1).sums).toMatchObject({ requests: 1, failed: 1, cost: 0.5 });
  expect(performance.last(1).sums.providers).toEqual({ openai: { requests: 0, tokens: 0, cost: 0.5 } });
  expect(performance.last(3).sums).toMatchObject({ requests: 2, tokens: 20, cost: 1 });
  now += 167 * hour;
  performance.count(call());
  expect(performance.last(168).sums.requests).toBe(2);
});

test('percentiles are within a tenth', () => {
  const performance = new Performance();
  for (let i = 1; i <= 1_000; i++) performance.count(call({ seconds: i / 100 }));
  const { sums } = performance.last(1);
  for (const [share, exact] of [
    [0.5, 5],
    [0.95, 9.5],
    [0.99, 9.9],
  ] as const) {
    expect(percentile(sums, share) / exact).toBeGreaterThanOrEqual(1);
    expect(percentile(sums, share) / exact).toBeLessThan(1.11);
  }
  expect(percentile(new Performance().last(1).sums, 0.5)).toBe(0);
});

test('the latest slow calls are kept, 50 at most, over all processes', () => {
  let now = hour;
  const views = [1, 2].map(() => {
    const performance = new Performance(() => now);
    for (let i = 0; i < 60; i++) {
      now++;
      performance.count(call({ seconds: 31, requestId: String(now) }));
      performance.count(call({ seconds: 30 }));
    }
    return performance.last(1);
  });
  const { slow, sums } = joinedViews(views);
  expect(slow).toHaveLength(50);
  expect(slow[0]?.requestId).toBe(String(now));
  expect(sums).toMatchObject({ requests: 240, providers: { openai: { requests: 240, tokens: 2_400 } } });
});
