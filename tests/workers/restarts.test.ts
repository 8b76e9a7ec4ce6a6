import { expect, test } from 'vitest';
import { Restarts } from '../../src/workers/restarts.ts';

test('a worker that dies once is replaced at once; one that dies again and again later and later', () => {
  let now = 0;
  const restarts = new Restarts({ now: () => now });
  const pauses = Array.from({ length: 9 }, () => {
    now += 100;
    return restarts.ended(1, true);
  });
  expect(pauses).toEqual([0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  now += 61_000;
  expect(restarts.ended(1, true)).toBe(0);
});

test('three in a row that never served are enough; one that served in between begins the count anew', () => {
  let now = 0;
  const restarts = new Restarts({ now: () => now });
  const fail = (): number | null => {
    now += 20_000;
    return restarts.ended(1, false);
  };
  for (let i = 0; i < 2; i++) expect(fail()).not.toBeNull();
  now += 20_000;
  expect(restarts.ended(1, true)).not.toBeNull();
  for (let i = 0; i < 2; i++) expect(fail()).not.toBeNull();
  expect(fail()).toBeNull();
});

test('twenty ends within a minute are enough, whichever workers they are of', () => {
  let now = 0;
  const restarts = new Restarts({ now: () => now });
  for (let i = 0; i < 19; i++) {
    now += 1_000;
    expect(restarts.ended(i % 4, true)).not.toBeNull();
  }
  now += 1_000;
  expect(restarts.ended(1, true)).toBeNull();
});
