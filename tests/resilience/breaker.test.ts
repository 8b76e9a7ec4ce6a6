import { afterEach, describe, expect, test, vi } from 'vitest';
import { Breaker, type Probe } from '../../src/resilience/breaker.ts';
import type { BreakerRules } from '../../src/resilience/rules.ts';
import { until } from '../support/redis.ts';

const rules: BreakerRules = {
  failures: 3,
  failurePercent: 50,
  windowCalls: 10,
  windowMs: 10_000,
  recoveryMs: 5_000,
};

const clock = { now: 1_000_000 };

function make(own: Partial<BreakerRules> = {}): { breaker: Breaker; changes: string[] } {
  const changes: string[] = [];
  const breaker = new Breaker(
    () => ({ ...rules, ...own }),
    (from, to) => void changes.push(`${from} > ${to}`),
    () => clock.now,
  );
  return { breaker, changes };
}

/** Outcomes are counted a few turns later. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

async function fail(breaker: Breaker, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    breaker.failed();
    await settled();
  }
}

describe('failures in a row', () => {
  test('open it, and a success between ends the row', async () => {
    const { breaker, changes } = make();
    await fail(breaker, 2);
    breaker.succeeded();
    await fail(breaker, 2);
    expect([breaker.state, breaker.enter(), breaker.waitMs]).toEqual(['closed', true, 0]);
    await fail(breaker, 1);
    expect([breaker.state, breaker.enter(), breaker.waitMs]).toEqual(['open', null, 5_000]);
    expect(changes).toEqual(['closed > open']);
  });

  test('0 means that none does', async () => {
    const { breaker } = make({ failures: 0, failurePercent: 0 });
    await fail(breaker, 100);
    expect(breaker.state).toBe('closed');
  });
});

describe('the share of failures', () => {
  test('opens it once there were enough calls', async () => {
    const { breaker } = make({ failures: 0 });
    for (let i = 0; i < 4; i++) {
      breaker.succeeded();
      await fail(breaker, 1);
    }
    breaker.succeeded();
    expect(breaker.state).toBe('closed');
    await fail(breaker, 1);
    expect(breaker.state).toBe('open');
  });

  test('is that of the window', async () => {
    const { breaker } = make({ failures: 0 });
    await fail(breaker, 9);
    clock.now += 11_000;
    await fail(breaker, 1);
    expect(breaker.state).toBe('closed');
    for (let i = 0; i < 9; i++) breaker.succeeded();
    await fail(breaker, 9);
    expect(breaker.state).toBe('open');
  });
});

describe('an open breaker', () => {
  async function opened(): Promise<{ breaker: Breaker; changes: string[] }> {
    const made = make();
    await fail(made.breaker, 3);
    return made;
  }

  test('lets one call try after its time, and nobody beside it', async () => {
    const { breaker, changes } = await opened();
    clock.now += 4_999;
    expect(breaker.enter()).toBeNull();
    clock.now += 1;
    const probe = breaker.enter() as Probe;
    expect([breaker.state, breaker.enter()]).toEqual(['half-open', null]);
    probe.settle('alive');
    await settled();
    expect([breaker.state, breaker.enter()]).toEqual(['closed', true]);
    expect(changes).toEqual(['closed > open', 'open > half-open', 'half-open > closed']);
  });

  test('is open for as long again when the try fails, time after time', async () => {
    const { breaker } = await opened();
    for (let i = 0; i < 3; i++) {
      clock.now += 5_000;
      (breaker.enter() as Probe).settle('trouble');
      await settled();
      expect([breaker.state, breaker.waitMs, breaker.enter()]).toEqual(['open', 5_000, null]);
    }
  });

  test('lets the next one try at once when the client has given the try up', async () => {
    const { breaker } = await opened();
    clock.now += 5_000;
    (breaker.enter() as Probe).settle('left');
    await settled();
    expect([breaker.state, breaker.waitMs]).toEqual(['open', 0]);
    (breaker.enter() as Probe).settle('trouble');
    await settled();
    expect(breaker.waitMs).toBe(5_000);
  });

  test('learns nothing from what comes late', async () => {
    const { breaker, changes } = await opened();
    breaker.succeeded();
    clock.now += 5_000;
    await fail(breaker, 3);
    expect([breaker.state, breaker.waitMs]).toEqual(['open', 0]);
    (breaker.enter() as Probe).settle('alive');
    await settled();
    await fail(breaker, 2);
    expect(breaker.state).toBe('closed');
    expect(changes).toHaveLength(3);
  });
});

describe('a clock of the machine that is set', () => {
  afterEach(() => void vi.useRealTimers());

  test('neither shortens nor lengthens the time for which it is open', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const real = Date.now();
    vi.setSystemTime(real + 6 * 3_600_000);
    const breaker = new Breaker(
      () => ({ ...rules, recoveryMs: 20 }),
      () => {},
    );
    await fail(breaker, 3);
    vi.setSystemTime(real);
    expect(breaker.waitMs).toBeLessThanOrEqual(20);
    await until(() => breaker.waitMs === 0);
    const probe = breaker.enter() as Probe;
    expect(breaker.state).toBe('half-open');
    probe.settle('alive');
    await until(() => breaker.state === 'closed');
    const slow = new Breaker(
      () => rules,
      () => {},
    );
    await fail(slow, 3);
    vi.setSystemTime(real + 6 * 3_600_000);
    expect(slow.enter()).toBeNull();
  });
});
