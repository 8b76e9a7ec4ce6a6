import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wildcard } from '../../src/base/wildcard.ts';
import type { CacheBounds, CacheStore } from '../../src/cache/store.ts';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { createLogger } from '../../src/observability/log.ts';
import { EmbeddedCache } from '../../src/store/embedded/cache.ts';
import { RedisCache } from '../../src/store/redis/cache.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { hasRedis, type RedisServer, startCluster, startRedis, until } from '../support/redis.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const roomy: CacheBounds = { maxEntries: 10_000, maxBytes: 2 ** 30 };
const name = (owner: string, model = 'm', tenant = 't') => ({ tenant, owner, model });
const key = (): string => randomBytes(32).toString('hex');
const hour = 3_600_000;

/** What every store of answers does. @param make a store with these bounds, of the same place */
function cacheSuite(make: (bounds: CacheBounds) => CacheStore): void {
  test('gives what was put under a key, until something else is', async () => {
    const store = make(roomy);
    const one = key();
    expect(await store.get(one)).toBeNull();
    await store.put(one, Buffer.from('first'), name('a'), hour);
    await store.put(one, Buffer.from('second'), name('a'), hour);
    expect(Buffer.from((await store.get(one))!)).toEqual(Buffer.from('second'));
    expect(await store.get(key())).toBeNull();
    await store.clear({});
  });

  test('gives large values and those that are no text back as they were', async () => {
    const store = make(roomy);
    for (const value of [Buffer.alloc(100_000, 'ab'), randomBytes(10_000), Buffer.alloc(0)]) {
      const one = key();
      await store.put(one, value, name('a'), hour);
      expect(Buffer.from((await store.get(one))!).equals(value)).toBe(true);
    }
    await store.clear({});
  });

  test('clears what a filter fits, and tells how much that was', async () => {
    const store = make(roomy);
    const put = async (owner: string, model: string, tenant: string) => {
      const one = key();
      await store.put(one, Buffer.from('x'), name(owner, model, tenant), hour);
      return one;
    };
    const keys = await Promise.all([
      put('user123', 'gpt', 't'),
      put('user123', 'claude', 't'),
      put('user9', 'gpt', 't'),
      put('user9', 'gpt', 'u'),
    ]);
    const left = async () => Promise.all(keys.map(async (one) => (await store.get(one)) !== null));
    expect(await store.clear({ fits: wildcard('nobody*') })).toBe(0);
    expect(await store.clear({ fits: wildcard('user123_gpt_*') })).toBe(1);
    expect(await left()).toEqual([false, true, true, true]);
    expect(await store.clear({ owner: 'user123' })).toBe(1);
    expect(await store.clear({ owner: 'user9', tenant: 'u' })).toBe(1);
    expect(await left()).toEqual([false, false, true, false]);
    expect(await store.clear({})).toBe(1);
    expect(await store.clear({})).toBe(0);
  });

  test('tells what is in it', async () => {
    const store = make(roomy);
    expect(await store.status()).toMatchObject({ entries: 0, bytes: 0, oldestMs: null, newestMs: null });
    for (let i = 0; i < 3; i++) await store.put(key(), Buffer.alloc(100), name('a'), hour);
    const { entries, bytes, oldestMs, newestMs } = await store.status();
    expect(entries).toBe(3);
    expect(bytes).toBeGreaterThanOrEqual(300);
    expect(newestMs).toBeGreaterThanOrEqual(0);
    expect(oldestMs).toBeGreaterThanOrEqual(newestMs!);
    await store.clear({});
    expect(await store.status()).toMatchObject({ entries: 0, bytes: 0 });
  });

  test('keeps to its bounds, whatever comes', async () => {
    const few = make({ maxEntries: 32, maxBytes: 2 ** 30 });
    for (let i = 0; i < 200; i++) await few.put(key(), Buffer.from('x'), name('a'), hour);
    const { entries } = await few.status();
    expect(entries).toBeGreaterThan(8);
    expect(entries).toBeLessThanOrEqual(32);
    await few.clear({});
    const small = make({ maxEntries: 10_000, maxBytes: 2 ** 20 });
    for (let i = 0; i < 1_000; i++) await small.put(key(), randomBytes(20_000), name('a'), hour);
    const { bytes } = await small.status();
    expect(bytes).toBeGreaterThan(2 ** 18);
    expect(bytes).toBeLessThanOrEqual(2 ** 20);
    await small.clear({});
  });
}

describe('in memory', () => {
  cacheSuite((bounds) => new EmbeddedCache(bounds));

  test('what has expired is gone, and the longest unused goes first', async () => {
    let now = 1;
    const store = new EmbeddedCache({ maxEntries: 2, maxBytes: 2 ** 20 }, () => now);
    store.put('a', Buffer.from('a'), name('a'), 1_000);
    store.put('b', Buffer.from('b'), name('a'), 5_000);
    expect(store.get('a')).not.toBeNull();
    store.put('c', Buffer.from('c'), name('a'), 5_000);
    expect([store.get('a') !== null, store.get('b')]).toEqual([true, null]);
    now += 1_500;
    expect(store.get('a')).toBeNull();
    expect(await store.status()).toMatchObject({ entries: 1, oldestMs: 1_500, newestMs: 1_500 });
  });
});

describe.skipIf(!hasRedis)('in Redis', () => {
  let server: RedisServer;
  let redis: RedisConnection;
  beforeAll(async () => {
    server = await startRedis();
    redis = new RedisConnection({ address: redisAddress(server.url) as RedisAddress, timeoutMs: 5_000, log });
    await until(() => redis.well);
  });
  afterAll(async () => {
    redis?.close();
    await server?.stop();
  });
  cacheSuite((bounds) => new RedisCache(redis, bounds));

  test('what has expired is gone, and leaves nothing behind', async () => {
    const store = new RedisCache(redis, roomy);
    await server.cli('FLUSHALL');
    for (let i = 0; i < 40; i++) await store.put(key(), Buffer.from('x'), name('a'), 30);
    await until(async () => (await store.status()).entries === 0);
    await until(async () => (await server.cli('DBSIZE')) === '0');
  });

  test('a lookup is one GET', async () => {
    const store = new RedisCache(redis, roomy);
    const one = key();
    await store.put(one, Buffer.alloc(10_000, 'a'), name('a'), hour);
    await server.cli('CONFIG', 'RESETSTAT');
    await store.get(one);
    const stats = await server.cli('INFO', 'commandstats');
    expect(stats).toContain('cmdstat_get:calls=1,');
    expect(stats).not.toMatch(/cmdstat_(evalsha|hget|zadd)/);
    // Stored compressed.
    expect(Number(await server.cli('STRLEN', `llmgateway:cache:{cache/${one[0]}}:${one}`))).toBeLessThan(
      1_000,
    );
    await store.clear({});
  });
});

describe.skipIf(!hasRedis)('in a Redis Cluster', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let redis: RedisConnection;
  beforeAll(async () => {
    cluster = await startCluster();
    redis = new RedisConnection({
      address: redisAddress(cluster.url) as RedisAddress,
      timeoutMs: 5_000,
      log,
    });
    await until(() => redis.well);
  }, 60_000);
  afterAll(async () => {
    redis?.close();
    await cluster?.stop();
  });
  cacheSuite((bounds) => new RedisCache(redis, bounds));
});
