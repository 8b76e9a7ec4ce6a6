import { expect, test } from 'vitest';
import { type Counted, countedBy, expose, Families } from '../../src/observability/families.ts';
import { KeptCounts } from '../../src/workers/kept-counts.ts';
import { parseScrape } from '../support/prometheus.ts';

/** What a process has counted. */
const counted = (model: string, calls: number): Promise<Counted> => {
  const families = new Families();
  families.counter('calls_total', 'Calls', ['model'])(model).value = calls;
  families.gauge('running', 'Running')().value = calls;
  const seconds = families.histogram('seconds', 'Seconds', [1], ['model'])(model);
  for (let i = 0; i < calls; i++) seconds.observe(i);
  return countedBy(families, []);
};

const whole = async (processes: readonly Counted[]): Promise<Record<string, number>> => {
  const { body } = await expose(processes, false);
  return Object.fromEntries(
    parseScrape(body).flatMap(({ samples }) =>
      samples.map(({ name, labels, value }) => [[name, ...Object.values(labels).sort()].join(' '), value]),
    ),
  );
};

test('counters and histograms of those that are gone stay in the sum; their gauges do not', async () => {
  const kept = new KeptCounts<string>();
  kept.heard('a', await counted('m', 3));
  kept.heard('b', await counted('m', 2));
  kept.gone('a');
  kept.heard('c', await counted('n', 1));
  kept.gone('nobody heard of it');
  expect(await whole(kept.all(new Set(['b', 'c'])))).toEqual({
    'calls_total m': 5,
    'calls_total n': 1,
    running: 3,
    'seconds_bucket 1 m': 4,
    'seconds_bucket +Inf m': 5,
    'seconds_sum m': 4,
    'seconds_count m': 5,
    'seconds_bucket 1 n': 1,
    'seconds_bucket +Inf n': 1,
    'seconds_sum n': 0,
    'seconds_count n': 1,
  });
  kept.gone('b');
  kept.gone('c');
  const { running, ...rest } = await whole(kept.all(new Set()));
  expect(running).toBeUndefined();
  expect(rest).toMatchObject({ 'calls_total m': 5, 'calls_total n': 1, 'seconds_count m': 5 });
});

test('one that did not say what it has counted since counts with what it said last', async () => {
  const kept = new KeptCounts<string>();
  kept.heard('a', await counted('m', 3));
  kept.heard('b', await counted('m', 2));
  expect(await whole(kept.all(new Set(['b'])))).toMatchObject({ 'calls_total m': 5, running: 2 });
});

test('series of the dead are bounded, whole ones', async () => {
  const kept = new KeptCounts<number>();
  for (let i = 0; i < 2_010; i++) {
    kept.heard(i, await counted(`m${i}`, 1));
    kept.gone(i);
  }
  const sums = await whole(kept.all(new Set()));
  expect(sums['calls_total m1999']).toBe(1);
  expect(sums['calls_total m2000']).toBeUndefined();
  expect(sums).toMatchObject({
    'calls_total other': 10,
    'seconds_bucket 1 other': 10,
    'seconds_bucket +Inf other': 10,
    'seconds_count other': 10,
  });
});
