import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { MemoryLimits } from '../../src/limits/memory-store.ts';
import { createLogger } from '../../src/observability/log.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedLimits } from '../../src/store/embedded/limits.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { RedisLimits } from '../../src/store/redis/limits.ts';
import { hasRedis, startCluster, startRedis, until } from '../support/redis.ts';
import { type LimitsUnderTest, limitSuite, rule } from './support/limit-suite.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const began = Date.parse('2026-05-31T12:00:00Z');
const leaseMs = 30_000;

describe('in memory', () => {
  const clock = { now: began };
  const store = new MemoryLimits(() => clock.now);
  limitSuite(() => ({ store, other: store, clock }), 1_000);

  test('a clock that goes back stands still', () => {
    const own = { now: began };
    const limits = new MemoryLimits(() => own.now);
    const claim = { id: '', accounts: [{ name: 'a', rule: rule({ requestsPerMinute: 1 }) }], tokens: 0 };
    expect(limits.take(claim).refusal).toBeNull();
    own.now -= 3_600_000;
    expect(limits.take(claim).refusal?.waitMs).toBeLessThanOrEqual(60_050);
  });

  test('the machine’s clock may be set while it counts', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const real = Date.now();
      const limits = new MemoryLimits();
      const claim = { id: '', accounts: [{ name: 'a', rule: rule({ burst: 1 }) }], tokens: 0 };
      vi.setSystemTime(real + 6 * 3_600_000);
      expect(limits.take(claim).refusal).toBeNull();
      vi.setSystemTime(real);
      expect(limits.take(claim).refusal).not.toBeNull();
      await until(() => limits.take(claim).refusal === null);
    } finally {
      vi.useRealTimers();
    }
  });

  test('accounts that count nothing any more are forgotten', () => {
    const own = { now: began };
    const limits = new MemoryLimits(() => own.now);
    for (let i = 0; i < 1_000; i++) {
      const claim = { id: '', accounts: [{ name: `a${i}`, rule: rule({ burst: 1 }) }], tokens: 0 };
      const { numbers } = limits.take(claim);
      if (i > 2) limits.settle({ ...claim, numbers, over: true, uncounted: false });
    }
    own.now += 3_700_000;
    limits.reset(['x']);
    limits.take({ id: '', accounts: [], tokens: 0 });
    limits.reset(null);
    expect(limits.read([{ name: 'a0' }])[0]?.inFlight).toBe(1);
  });
});

describe('in the embedded store', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-limits-'));
  const databases = [1, 2].map(() => new Database({ dir, maxBytes: 64 * 2 ** 20 }));
  afterAll(() => {
    for (const database of databases) database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const clock = { now: began };
  const [store, other] = databases.map((database) => new EmbeddedLimits(database, leaseMs, () => clock.now));
  limitSuite(() => ({ store: store!, other: other!, clock }), 30);

  test('what counts no more is cleared away, and nothing else', async () => {
    const claim = {
      id: 'c',
      accounts: [{ name: 'swept', rule: rule({ burst: 9, requestsPerHour: 9 }) }],
      tokens: 0,
    };
    const rows = (): unknown[] =>
      databases[0]!.all('SELECT window FROM limit_entries WHERE account = ? ORDER BY window', 'swept');
    store!.take(claim);
    store!.sweep();
    expect(rows()).toHaveLength(2);
    clock.now += 60_000;
    store!.sweep();
    expect(rows()).toEqual([{ window: 2 }]);
    clock.now += 3_700_000;
    store!.sweep();
    expect(rows()).toEqual([]);
    expect(store!.names()).toEqual([]);
  });
});

async function openRedis(url: string): Promise<{ under: LimitsUnderTest; close(): void }> {
  const address = redisAddress(url) as RedisAddress;
  const connections = [1, 2].map(() => new RedisConnection({ address, timeoutMs: 5_000, log }));
  await until(() => connections.every(({ well }) => well));
  const clock = { now: began };
  const [store, other] = connections.map((redis) => new RedisLimits(redis, leaseMs, () => clock.now));
  return {
    under: { store: store!, other: other!, clock },
    close: () => connections.forEach((redis) => void redis.close()),
  };
}

describe.skipIf(!hasRedis)('in Redis', () => {
  let server: Awaited<ReturnType<typeof startRedis>>;
  let stores: Awaited<ReturnType<typeof openRedis>>;
  beforeAll(async () => {
    server = await startRedis('--appendfsync', 'no');
    stores = await openRedis(server.url);
  });
  afterAll(async () => {
    stores?.close();
    await server?.stop();
  });
  limitSuite(() => stores.under, 40);

  test('everything goes by itself, and the server’s clock is the one that counts', async () => {
    const redis = new RedisConnection({
      address: redisAddress(server.url) as RedisAddress,
      timeoutMs: 5_000,
      log,
    });
    await until(() => redis.well);
    const limits = new RedisLimits(redis, leaseMs);
    const accounts = [{ name: 'real', rule: rule({ requestsPerMinute: 1, concurrent: 9 }) }];
    expect((await limits.take({ id: 'a', accounts, tokens: 0 })).refusal).toBeNull();
    const { refusal } = await limits.take({ id: 'b', accounts, tokens: 0 });
    expect(refusal?.waitMs).toBeGreaterThan(58_000);
    expect(refusal?.waitMs).toBeLessThanOrEqual(60_050);
    for (const key of (await server.cli('KEYS', 'llmgateway:limit:*')).split('\n')) {
      expect(Number(await server.cli('TTL', key)), key).toBeGreaterThan(0);
    }
    redis.close();
  });

  test('what counts tokens does not shorten the time for which a pause is kept', async () => {
    const redis = new RedisConnection({
      address: redisAddress(server.url) as RedisAddress,
      timeoutMs: 5_000,
      log,
    });
    await until(() => redis.well);
    const limits = new RedisLimits(redis, leaseMs);
    const accounts = [
      { name: 'paused', rule: rule({ burst: 1, cooldownMs: 86_400_000, tokensPerMinute: 100 }) },
    ];
    const { numbers } = await limits.take({ id: 'a', accounts, tokens: 1 });
    expect((await limits.take({ id: 'b', accounts, tokens: 1 })).refusal?.limit).toBe('cooldown');
    await limits.settle({ id: 'a', accounts, numbers, over: true, uncounted: false, tokens: 5 });
    await limits.take({ id: 'c', accounts: [{ name: 'other', rule: rule({ burst: 1 }) }], tokens: 0 });
    for (const key of ['of:paused', 'accounts'])
      expect(Number(await server.cli('TTL', `llmgateway:limit:{limits}:${key}`)), key).toBeGreaterThan(
        86_000,
      );
    redis.close();
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
  limitSuite(() => stores.under, 3);
});
