import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { createLogger } from '../../src/observability/log.ts';
import { EmbeddedBudgets } from '../../src/store/embedded/budgets.ts';
import { BufferedBudgets } from '../../src/store/embedded/buffered-budgets.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedUsage } from '../../src/store/embedded/usage.ts';
import { RedisBudgets } from '../../src/store/redis/budgets.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { RedisUsage } from '../../src/store/redis/usage.ts';
import { unavailable } from '../../src/store/unavailable.ts';
import { hasRedis, type RedisServer, startCluster, startRedis, until } from '../support/redis.ts';
import { budgetSuite, type UsageStoresUnderTest, usageSuite } from './support/usage-suite.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const dayMs = 86_400_000;
const keepMs = 400 * dayMs;

async function openRedis(
  url: string,
  timeoutMs = 5_000,
): Promise<{ under: UsageStoresUnderTest; close(): void }> {
  const address = redisAddress(url) as RedisAddress;
  const connections = [1, 2].map(() => new RedisConnection({ address, timeoutMs, log }));
  await until(() => connections.every(({ well }) => well));
  const [one, two] = connections as [RedisConnection, RedisConnection];
  return {
    under: {
      usage: new RedisUsage(one, keepMs),
      otherUsage: new RedisUsage(two, keepMs),
      smallUsage: new RedisUsage(one, keepMs, 3),
      budgets: new RedisBudgets(one),
      otherBudgets: new RedisBudgets(two),
    },
    close: () => connections.forEach((redis) => void redis.close()),
  };
}

describe('in the embedded store', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-usage-'));
  const databases = [1, 2].map(() => new Database({ dir, maxBytes: 64 * 2 ** 20 }));
  const [one, two] = databases as [Database, Database];
  afterAll(() => {
    for (const database of databases) database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const under: UsageStoresUnderTest = {
    usage: new EmbeddedUsage(one, keepMs),
    otherUsage: new EmbeddedUsage(two, keepMs),
    smallUsage: new EmbeddedUsage(one, keepMs, 3),
    budgets: new EmbeddedBudgets(one),
    otherBudgets: new EmbeddedBudgets(two),
  };
  usageSuite(() => under);
  budgetSuite(() => under);

  describe('for one process alone', () => {
    const own = new BufferedBudgets(new EmbeddedBudgets(one), log);
    budgetSuite(() => ({ ...under, budgets: own, otherBudgets: own }));
  });

  test('what was spent in memory is in the file soon, and at the end', async () => {
    const file = new EmbeddedBudgets(one);
    const first = new BufferedBudgets(file, log);
    const claim = { account: 'buffered', limit: 100, expiresMs: null };
    await first.reserve('h1', [claim], 10, 1_000);
    await first.settle({ hold: 'h1', claims: [claim], amount: 7 });
    expect(await first.read(['buffered'])).toEqual([{ spent: 7, reserved: 0 }]);
    await vi.waitFor(() => expect(file.spent('buffered')).toBe(7));
    await first.settle({ hold: 'h2', claims: [claim], amount: 5 });
    first.save();
    expect(await new BufferedBudgets(file, log).read(['buffered'])).toEqual([{ spent: 12, reserved: 0 }]);
  });

  test('what other processes have spent counts from the next write on', async () => {
    const [first, second] = databases.map(
      (database) => new BufferedBudgets(new EmbeddedBudgets(database), log),
    ) as [BufferedBudgets, BufferedBudgets];
    const claim = { account: 'of two', limit: 100, expiresMs: null };
    for (const [i, store] of [first, second, first].entries()) {
      expect(await store.reserve(`of two ${i}`, [claim], 40, 1_000)).toBeNull();
      await store.settle({ hold: `of two ${i}`, claims: [claim], amount: 40 });
      store.save();
    }
    expect(await first.reserve('of two 4', [claim], 1, 1_000)).toMatchObject({ spent: 120 });
  });

  test('what a call costs whose account was forgotten meanwhile is counted', async () => {
    const file = new EmbeddedBudgets(one);
    const store = new BufferedBudgets(file, log);
    const claimOf = (account: string) => ({ account, limit: 100, expiresMs: null });
    await store.reserve('long', [claimOf('rare')], 0, 60_000);
    const others = Array.from({ length: 10_001 }, (_, i) => claimOf(`other ${i}`));
    await store.reserve('many', others, 0, 60_000);
    await store.settle({ hold: 'many', claims: others, amount: 1 });
    store.save();
    await store.settle({ hold: 'long', claims: [claimOf('rare')], amount: 3 });
    await store.reserve('again', [claimOf('rare')], 0, 60_000);
    await store.settle({ hold: 'again', claims: [claimOf('rare')], amount: 4 });
    store.save();
    expect(file.spent('rare')).toBe(7);
  });

  test('as long as the file cannot be written nothing is set aside', async () => {
    let broken = false;
    const file = new (class extends EmbeddedBudgets {
      override spend(...given: Parameters<EmbeddedBudgets['spend']>): number[] {
        if (broken) throw unavailable('the embedded store', 'disk full', null);
        return super.spend(...given);
      }
    })(one);
    const store = new BufferedBudgets(file, log);
    const claim = { account: 'full', limit: 100, expiresMs: null };
    broken = true;
    store.settle({ hold: 'f1', claims: [claim], amount: 7 });
    await vi.waitFor(() => expect(() => store.reserve('f2', [claim], 1, 1_000)).toThrow('disk full'), 5_000);
    broken = false;
    await vi.waitFor(() => expect(store.reserve('f3', [claim], 1, 1_000)).toBeNull(), 5_000);
    expect(file.spent('full')).toBe(7);
  });

  test('days that are older than they have to be kept are cleared away', async () => {
    const now = Date.parse('2026-05-31T12:00:00Z');
    const store = new EmbeddedUsage(one, 2 * dayMs, 10, () => now);
    const counters = { ...(await import('../../src/usage/store.ts')).noCounters(), requests: 1n };
    for (const day of ['2026-05-28', '2026-05-29', '2026-05-31']) {
      await store.add({
        id: day,
        scope: 'swept',
        day,
        entries: [{ dimension: 'total', name: '', counters }],
      });
    }
    expect(store.sweep()).toBe(false);
    const left = await Promise.all(
      ['2026-05-28', '2026-05-29', '2026-05-31'].map((day) => store.read('swept', day, 'total')),
    );
    expect(left.map(({ size }) => size)).toEqual([0, 1, 1]);
  });

  test('budgets of times that are long over are cleared away', async () => {
    let now = 1_000_000;
    const store = new EmbeddedBudgets(one, () => now);
    const claim = { account: 'swept', limit: 100, expiresMs: 2_000_000 };
    await store.settle({ hold: 'h', claims: [claim], amount: 7 });
    store.sweep();
    expect(await store.read(['swept'])).toEqual([{ spent: 7, reserved: 0 }]);
    now = 2_000_001;
    store.sweep();
    expect(await store.read(['swept'])).toEqual([{ spent: 0, reserved: 0 }]);
  });
});

describe.skipIf(!hasRedis)('in Redis', () => {
  let server: RedisServer;
  let stores: Awaited<ReturnType<typeof openRedis>>;
  beforeAll(async () => {
    server = await startRedis();
    stores = await openRedis(server.url);
  });
  afterAll(async () => {
    stores?.close();
    await server?.stop();
  });
  usageSuite(() => stores.under);
  budgetSuite(() => stores.under);

  test('totals go by themselves, and so do budgets of times that are over', async () => {
    const keys = (await server.cli('KEYS', '*')).split('\n');
    expect(keys.length).toBeGreaterThan(5);
    for (const key of keys) {
      const ttl = Number(await server.cli('TTL', key));
      if (key.includes(':usage:')) expect(ttl, key).toBeGreaterThan(0);
      else if (key.includes('ends')) expect(ttl, key).toBeGreaterThan(0);
    }
  });

  test('a batch is added once however often it is written', async () => {
    const { usage } = stores.under;
    const { noCounters } = await import('../../src/usage/store.ts');
    const counters = { ...noCounters(), requests: 1n };
    const batch = {
      id: 'same',
      scope: 'once',
      day: '2026-01-01',
      entries: [{ dimension: 'total' as const, name: '', counters }],
    };
    await usage.add(batch);
    await usage.add(batch);
    expect((await usage.read('once', '2026-01-01', 'total')).get('')?.requests).toBe(1n);
  });

  test('out of reach, everything fails at once and names the reason', async () => {
    const down = await startRedis();
    const { under, close } = await openRedis(down.url, 100);
    await down.kill();
    const claims = [{ account: 'a', limit: 1, expiresMs: null }];
    const failures = await Promise.all(
      [
        under.usage.read('t', '2026-01-01', 'total'),
        under.usage.add({ id: 'x', scope: null, day: '2026-01-01', entries: [] }),
        under.budgets.reserve('h', claims, 1, 1_000),
        under.budgets.settle({ hold: 'h', claims, amount: 1 }),
      ].map((asked) =>
        Promise.resolve<unknown>(asked).then(
          () => null,
          (error: { reason: ErrorReason }) => error.reason,
        ),
      ),
    );
    expect(failures).toEqual(Array(4).fill(ErrorReason.DEPENDENCY_UNAVAILABLE));
    close();
    await down.stop();
  });
});

describe.skipIf(!hasRedis)('in a Redis Cluster', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let stores: Awaited<ReturnType<typeof openRedis>>;
  beforeAll(async () => {
    cluster = await startCluster();
    stores = await openRedis(cluster.url);
  }, 60_000);
  afterAll(async () => {
    stores?.close();
    await cluster?.stop();
  });
  usageSuite(() => stores.under);
  budgetSuite(() => stores.under);
});
