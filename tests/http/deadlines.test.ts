import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Deadline, Deadlines } from '../../src/http/deadlines.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const entry = (inMs: number, expire: () => void): Deadline => ({
  deadline: performance.now() + inMs,
  slot: -1,
  expire,
});

test('each expires once, in time, at most the granularity late', () => {
  const deadlines = new Deadlines(10);
  const start = performance.now();
  const expired: [number, number][] = [];
  for (const ms of [50, 1, 5_000, 51, 0, 49, 5_001]) {
    deadlines.add(entry(ms, () => expired.push([ms, performance.now() - start])));
  }
  vi.advanceTimersByTime(10_000);
  expect(expired.map(([ms]) => ms).sort((a, b) => a - b)).toEqual([0, 1, 49, 50, 51, 5_000, 5_001]);
  for (const [ms, at] of expired) {
    expect(at).toBeGreaterThanOrEqual(ms);
    expect(at).toBeLessThanOrEqual(ms + 11);
  }
  expect(deadlines.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test('one that keeps moving never expires; one that moves nearer does so in time', () => {
  const deadlines = new Deadlines();
  const expire = vi.fn();
  const moving = entry(100, expire);
  deadlines.add(moving);
  for (let i = 0; i < 100; i++) {
    vi.advanceTimersByTime(90);
    moving.deadline = performance.now() + 100;
  }
  expect(expire).not.toHaveBeenCalled();
  moving.deadline = performance.now() + 5;
  deadlines.soonest(moving.deadline);
  vi.advanceTimersByTime(6);
  expect(expire).toHaveBeenCalledOnce();
});

test('a deleted one does not expire, and leaves no timer for long', () => {
  const deadlines = new Deadlines();
  const expire = vi.fn();
  const entries = Array.from({ length: 20 }, (_, i) => entry(i + 1, expire));
  for (const each of entries) deadlines.add(each);
  for (const each of entries) deadlines.delete(each);
  deadlines.delete(entries[3]!);
  expect(deadlines.size).toBe(0);
  vi.advanceTimersByTime(100);
  expect(expire).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

test('expiring may delete others and add itself again', () => {
  const deadlines = new Deadlines();
  const other = vi.fn();
  const victim = entry(10, other);
  let times = 0;
  const again = entry(10, () => {
    deadlines.delete(victim);
    again.deadline = performance.now() + 10;
    if (++times < 5) deadlines.add(again);
  });
  deadlines.add(again);
  deadlines.add(victim);
  vi.advanceTimersByTime(1_000);
  expect(other).not.toHaveBeenCalled();
  expect(times).toBe(5);
});

test('never is never, and longer than a timer can be is no error', () => {
  const deadlines = new Deadlines();
  const never = vi.fn();
  const late = vi.fn();
  deadlines.add(entry(Infinity, never));
  expect(vi.getTimerCount()).toBe(0);
  deadlines.add(entry(2 ** 31 + 5_000, late));
  vi.advanceTimersByTime(2 ** 31);
  expect(late).not.toHaveBeenCalled();
  vi.advanceTimersByTime(6_000);
  expect(late).toHaveBeenCalledOnce();
  expect(never).not.toHaveBeenCalled();
});
