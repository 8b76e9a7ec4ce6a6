import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  type BudgetStore,
  type Counters,
  noCounters,
  type UsageBatch,
  type UsageStore,
} from '../../../src/usage/store.ts';
import { until } from '../../support/redis.ts';

export interface UsageStoresUnderTest {
  readonly usage: UsageStore;
  /** The same, by another connection. */
  readonly otherUsage: UsageStore;
  /** The same, with room for three names. */
  readonly smallUsage: UsageStore;
  readonly budgets: BudgetStore;
  readonly otherBudgets: BudgetStore;
}

const counters = (init: Partial<Counters>): Counters => ({ ...noCounters(), ...init });

/** What totals do in every store. */
export function usageSuite(stores: () => UsageStoresUnderTest): void {
  describe('totals', () => {
    const batch = (scope: string | null, day: string, entries: UsageBatch['entries']): UsageBatch => ({
      id: randomUUID(),
      scope,
      day,
      entries,
    });

    test('add up, whoever writes them, each day and tenant by itself', async () => {
      const { usage, otherUsage } = stores();
      const tenant = `t/{}:${randomUUID()}`;
      const one = counters({
        requests: 1n,
        prompt: 10n,
        completion: 2n,
        cached: 3n,
        cacheWrite: 4n,
        reasoning: 1n,
        pico: 5n,
      });
      const entries: UsageBatch['entries'] = [
        { dimension: 'total', name: '', counters: one },
        { dimension: 'model', name: 'a:b', counters: one },
        {
          dimension: 'model',
          name: 'toString',
          counters: counters({ requests: 1n, unpriced: 1n, estimated: 1n, aborted: 1n }),
        },
      ];
      await Promise.all(
        [usage, otherUsage, usage].map((store) => store.add(batch(tenant, '2026-05-31', entries))),
      );
      await usage.add(batch(tenant, '2026-06-01', entries));
      await usage.add(batch(`${tenant}2`, '2026-05-31', entries));
      const three = {
        requests: 3n,
        prompt: 30n,
        completion: 6n,
        cached: 9n,
        cacheWrite: 12n,
        reasoning: 3n,
        pico: 15n,
      };
      expect(await otherUsage.read(tenant, '2026-05-31', 'total')).toEqual(new Map([['', counters(three)]]));
      expect(await otherUsage.read(tenant, '2026-05-31', 'model')).toEqual(
        new Map([
          ['a:b', counters(three)],
          ['toString', counters({ requests: 3n, unpriced: 3n, estimated: 3n, aborted: 3n })],
        ]),
      );
      expect((await usage.read(tenant, '2026-06-01', 'total')).get('')?.requests).toBe(1n);
      expect(await usage.read(tenant, '2026-05-30', 'total')).toEqual(new Map());
      expect(await usage.read(tenant, '2026-05-31', 'key')).toEqual(new Map());
    });

    test('hold sums that a number of JavaScript cannot', async () => {
      const { usage } = stores();
      const pico = 2n ** 53n + 1n;
      const tenant = randomUUID();
      const entries: UsageBatch['entries'] = [
        { dimension: 'total', name: '', counters: counters({ requests: 1n, pico }) },
      ];
      await usage.add(batch(tenant, '2026-05-31', entries));
      await usage.add(batch(tenant, '2026-05-31', entries));
      expect((await usage.read(tenant, '2026-05-31', 'total')).get('')?.pico).toBe(2n * pico);
    });

    test('of all are apart from those of a tenant of that name', async () => {
      const { usage } = stores();
      const day = '2001-01-01';
      await usage.add(
        batch('all', day, [{ dimension: 'total', name: '', counters: counters({ requests: 1n }) }]),
      );
      expect(await usage.read(null, day, 'total')).toEqual(new Map());
    });

    test('put what there is no room for together', async () => {
      const { smallUsage } = stores();
      const tenant = randomUUID();
      const entries = ['a', 'b', 'c', 'd', 'e', 'a'].map((name) => ({
        dimension: 'model' as const,
        name,
        counters: counters({ requests: 1n }),
      }));
      await smallUsage.add(batch(tenant, '2026-05-31', entries));
      const found = await smallUsage.read(tenant, '2026-05-31', 'model');
      expect([...found].map(([name, { requests }]) => [name, requests]).sort()).toEqual([
        ['a', 2n],
        ['b', 1n],
        ['c', 1n],
        ['other', 2n],
      ]);
    });
  });
}

/** What budgets do in every store. */
export function budgetSuite(stores: () => UsageStoresUnderTest): void {
  describe('budgets', () => {
    const far = Date.now() + 86_400_000;
    const claim = (limit: number, account = `ends/${randomUUID()}`, expiresMs: number | null = far) => ({
      account,
      limit,
      expiresMs,
    });
    const lease = 60_000;

    test('set aside what fits, and refuse the rest', async () => {
      const { budgets, otherBudgets } = stores();
      const claims = [claim(100)];
      const names = claims.map(({ account }) => account);
      expect(await budgets.reserve(randomUUID(), claims, 60, lease)).toBeNull();
      expect(await otherBudgets.reserve(randomUUID(), claims, 41, lease)).toEqual({
        index: 0,
        spent: 0,
        reserved: 60,
      });
      expect(await otherBudgets.reserve(randomUUID(), claims, 40, lease)).toBeNull();
      expect(await budgets.read(names)).toEqual([{ spent: 0, reserved: 100 }]);
    });

    test('settle once by what was spent, which may be more than was set aside', async () => {
      const { budgets, otherBudgets } = stores();
      const claims = [claim(100)];
      const names = claims.map(({ account }) => account);
      const [one, two] = [randomUUID(), randomUUID()];
      await budgets.reserve(one, claims, 60, lease);
      await budgets.reserve(two, claims, 10, lease);
      expect(await otherBudgets.settle({ hold: one, claims, amount: 75 })).toEqual([
        { before: 0, after: 75 },
      ]);
      expect(await budgets.read(names)).toEqual([{ spent: 75, reserved: 10 }]);
      expect(await budgets.settle({ hold: two, claims, amount: 0 })).toEqual([{ before: 75, after: 75 }]);
      expect(await budgets.read(names)).toEqual([{ spent: 75, reserved: 0 }]);
    });

    test('all of a call have enough, or none is touched', async () => {
      const { budgets } = stores();
      const claims = [claim(100), claim(50), claim(100)];
      const names = claims.map(({ account }) => account);
      expect(await budgets.reserve(randomUUID(), claims, 51, lease)).toEqual({
        index: 1,
        spent: 0,
        reserved: 0,
      });
      expect(await budgets.read(names)).toEqual(Array(3).fill({ spent: 0, reserved: 0 }));
      const hold = randomUUID();
      expect(await budgets.reserve(hold, claims, 50, lease)).toBeNull();
      expect(await budgets.settle({ hold, claims, amount: 20 })).toEqual(
        Array(3).fill({ before: 0, after: 20 }),
      );
      expect(await budgets.read(names)).toEqual(Array(3).fill({ spent: 20, reserved: 0 }));
    });

    test('that are used up refuse even what costs nothing', async () => {
      const { budgets } = stores();
      const claims = [claim(10)];
      await budgets.settle({ hold: randomUUID(), claims, amount: 10 });
      expect(await budgets.reserve(randomUUID(), claims, 0, lease)).toEqual({
        index: 0,
        spent: 10,
        reserved: 0,
      });
    });

    test('get back what nobody settled in time', async () => {
      const { budgets } = stores();
      const claims = [claim(10)];
      const dead = randomUUID();
      await budgets.reserve(dead, claims, 10, 50);
      await until(async () => (await budgets.reserve(randomUUID(), claims, 10, lease)) === null, 5_000);
      // It was alive after all: what it spent counts, what it had set aside is not freed twice.
      expect(await budgets.settle({ hold: dead, claims, amount: 3 })).toEqual([{ before: 0, after: 3 }]);
      expect(await budgets.read([claims[0]!.account])).toEqual([{ spent: 3, reserved: 10 }]);
    });

    test('count exactly up to their bound', async () => {
      const { budgets } = stores();
      const limit = 1_000_000 * 1e9;
      const claims = [claim(limit, `forever/${randomUUID()}`, null)];
      await budgets.settle({ hold: randomUUID(), claims, amount: limit - 1 });
      expect(await budgets.reserve(randomUUID(), claims, 2, lease)).toMatchObject({ spent: limit - 1 });
      expect(await budgets.reserve(randomUUID(), claims, 1, lease)).toBeNull();
    });

    test('are never overdrawn, however many ask at once', async () => {
      const { budgets, otherBudgets } = stores();
      const claims = [claim(1_000), claim(5_000)];
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          (i % 2 === 0 ? budgets : otherBudgets).reserve(randomUUID(), claims, 30, lease),
        ),
      );
      expect(answers.filter((answer) => answer === null)).toHaveLength(33);
      expect(await budgets.read(claims.map(({ account }) => account))).toEqual(
        Array(2).fill({ spent: 0, reserved: 990 }),
      );
    });
  });
}
