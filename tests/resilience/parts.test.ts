import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { pause } from '../../src/base/pause.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { backoffMs } from '../../src/resilience/backoff.ts';
import { Bulkhead } from '../../src/resilience/bulkhead.ts';
import { Latency } from '../../src/resilience/latency.ts';
import { ordered, type Routing, sticky } from '../../src/resilience/order.ts';
import { Origins } from '../../src/resilience/origins.ts';
import { Targets } from '../../src/resilience/targets.ts';
import { TokenBucket } from '../../src/resilience/token-bucket.ts';
import { rulesOf } from './support.ts';

const never = new AbortController().signal;

describe('a token bucket', () => {
  test('gives its burst, then a share of what is earned', () => {
    const bucket = new TokenBucket(() => 0);
    let taken = 0;
    for (let i = 0; i < 1_000; i++) {
      bucket.earn(10);
      if (bucket.take(0)) taken++;
    }
    expect(taken).toBeGreaterThan(105);
    expect(taken).toBeLessThanOrEqual(110);
  });

  test('is filled with time, up to its burst', () => {
    let now = 0;
    const bucket = new TokenBucket(() => now);
    const takeAll = (): number => {
      let taken = 0;
      while (bucket.take(2)) taken++;
      return taken;
    };
    expect(takeAll()).toBe(10);
    now += 1_500;
    expect(takeAll()).toBe(3);
    now += 1_000_000;
    expect(takeAll()).toBe(12);
    now -= 500_000;
    expect(takeAll()).toBe(0);
  });
});

describe('a bulkhead', () => {
  const bulkhead = (maxConcurrent: number, maxWaiting = 2, maxWaitMs = 10_000): Bulkhead =>
    new Bulkhead('p', () => rulesOf({ bulkhead: { maxConcurrent, maxWaiting, maxWaitMs } }));

  test('lets others wait, in order, and refuses those beyond', async () => {
    const doors = bulkhead(1);
    expect(doors.enter(never)).toBeNull();
    const order: number[] = [];
    const waiting = [1, 2].map((n) => doors.enter(never)?.then(() => order.push(n)));
    expect(() => doors.enter(never)).toThrowError(
      expect.objectContaining({ reason: ErrorReason.OVERLOADED }),
    );
    doors.leave();
    await waiting[0];
    expect([order, doors.active, doors.waiting]).toEqual([[1], 1, 1]);
    doors.leave();
    await waiting[1];
    doors.leave();
    expect([order, doors.active, doors.waiting]).toEqual([[1, 2], 0, 0]);
  });

  test('takes nobody who has left, and lets nobody wait for ever', async () => {
    const doors = bulkhead(1, 2, 20);
    doors.enter(never);
    const leaving = new AbortController();
    const left = doors.enter(leaving.signal);
    const late = doors.enter(never);
    leaving.abort(new GatewayError(ErrorReason.CANCELLED, 'left'));
    await expect(left).rejects.toMatchObject({ reason: ErrorReason.CANCELLED });
    await expect(late).rejects.toMatchObject({ reason: ErrorReason.OVERLOADED, facts: { provider: 'p' } });
    expect([doors.active, doors.waiting]).toEqual([1, 0]);
  });

  test('has a number of its own for a provider, and 0 is none', async () => {
    const own = new Bulkhead('p', () => rulesOf({ ownConcurrent: new Map([['p', 1]]) }));
    expect(own.enter(never)).toBeNull();
    const waiting = own.enter(never);
    expect(waiting).not.toBeNull();
    own.leave();
    await waiting;
    const open = bulkhead(0);
    for (let i = 0; i < 10_000; i++) expect(open.enter(never)).toBeNull();
  });
});

test('waits grow up to a bound, and are random below it', () => {
  const rules = { ...rulesOf().retry, baseDelayMs: 100, maxDelayMs: 1_000 };
  for (const [retry, bound] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [4, 800],
    [5, 1_000],
    [9, 1_000],
  ] as const) {
    const waits = Array.from({ length: 300 }, () => backoffMs(retry, rules));
    expect(Math.max(...waits)).toBeLessThan(bound);
    expect(Math.max(...waits)).toBeGreaterThan(bound * 0.8);
    expect(Math.min(...waits)).toBeLessThan(bound * 0.2);
  }
});

test('a pause ends with the call', async () => {
  const leaving = new AbortController();
  const pausing = pause(60_000, leaving.signal);
  leaving.abort(new Error('left'));
  await expect(pausing).rejects.toThrow('left');
  await expect(pause(60_000, leaving.signal)).rejects.toThrow('left');
});

test('latencies have a mean, and a 95th percentile once there are enough', () => {
  const latency = new Latency();
  expect([latency.mean, latency.p95()]).toEqual([0, null]);
  for (let i = 1; i <= 19; i++) latency.add(i);
  expect(latency.p95()).toBeNull();
  latency.add(20);
  expect(latency.p95()).toBe(19);
  for (let i = 0; i < 64; i++) latency.add(5);
  expect(latency.p95()).toBe(5);
  expect(latency.mean).toBeCloseTo(5);
});

describe('the order of deployments', () => {
  const targets = new Targets(() => rulesOf());
  const all = [
    { name: 'a', weight: 1, price: 3 },
    { name: 'b', weight: 8, price: Number.POSITIVE_INFINITY },
    { name: 'c', weight: 1, price: 1 },
  ];
  const names = (routing: Routing, random?: () => number): string =>
    ordered(all, routing, ({ name }) => targets.of('p', name), 1_000, random)
      .map(({ name }) => name)
      .join('');

  test('is the list’s, by price, by time, by calls under way', () => {
    expect([names('order'), names('cheapest')]).toEqual(['abc', 'cab']);
    targets.of('p', 'a').latency.add(300);
    targets.of('p', 'b').latency.add(100);
    expect(names('least_latency')).toBe('cba');
    // One that fails at once is not the fastest; after a time it is asked again.
    targets.of('p', 'c').failedAt = 1_001;
    expect(names('least_latency')).toBe('bac');
    targets.of('p', 'c').failedAt = 999;
    expect(names('least_latency')).toBe('cba');
    targets.of('p', 'a').inFlight = 2;
    targets.of('p', 'b').inFlight = 4;
    targets.of('p', 'c').inFlight = 1;
    expect(names('least_busy')).toBe('bca');
  });

  test('by weight draws each as often as it weighs', () => {
    expect([names('weighted', () => 0), names('weighted', () => 0.999_999)]).toEqual(['abc', 'cba']);
    let first = 0;
    for (let i = 0; i < 2_000; i++) if (names('weighted').startsWith('b')) first++;
    expect(first / 2_000).toBeGreaterThan(0.75);
    expect(first / 2_000).toBeLessThan(0.85);
  });

  test('is the same for a conversation, other for others, and stays when a deployment goes', () => {
    const nameOf = ({ name }: (typeof all)[number]): string => name;
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 3_000; i++) {
      const [first] = sticky(all, `tenant\nHello ${i}`, nameOf) as [(typeof all)[number]];
      counts[first.name]!++;
      if (first.name !== 'c') expect(sticky(all.slice(0, 2), `tenant\nHello ${i}`, nameOf)[0]).toBe(first);
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(800);
  });
});

test('what is remembered is bounded, and what is open stays', async () => {
  const targets = new Targets(() => rulesOf({ breaker: { ...rulesOf().breaker, failures: 1 } }));
  const open = targets.of('p', 'open');
  open.breaker.failed();
  await new Promise((resolve) => setImmediate(resolve));
  expect(open.breaker.state).toBe('open');
  for (let i = 0; i < 5_000; i++) targets.of('p', `model-${i}`);
  expect(targets.list()).toHaveLength(1_024);
  expect(targets.of('p', 'open')).toBe(open);
  const origins = new Origins();
  for (let i = 0; i < 20_000; i++) origins.remember(`content ${i}`, 'p');
  expect([origins.of('content 0'), origins.of('content 19999')]).toEqual([undefined, 'p']);
});
