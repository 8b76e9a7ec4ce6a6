import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { SharedMemory } from '../../src/memory/shared-memory.ts';
import type { MemoStore } from '../../src/memory/store.ts';
import { createLogger } from '../../src/observability/log.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedMemos } from '../../src/store/embedded/memos.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { RedisMemos } from '../../src/store/redis/memos.ts';
import { breath, hasRedis, type RedisServer, startCluster, startRedis, until } from '../support/redis.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const hour = 3_600_000;

interface Under {
  readonly store: MemoStore;
  /** A second process's view of the same. */
  readonly other: MemoStore;
}

function suite(under: () => Under): void {
  const make = (text: string) => ({ key: randomUUID(), body: Buffer.from(text) });

  test('what one process wrote the other one reads, byte for byte, large things too', async () => {
    const { store, other } = under();
    const memos = [make('a'), make(''), { key: randomUUID(), body: Buffer.alloc(300_000, 'large ') }];
    await store.write(memos, hour);
    const found = await other.read([...memos.map(({ key }) => key), randomUUID()], hour);
    expect(found.size).toBe(3);
    for (const { key, body } of memos) expect(Buffer.compare(found.get(key)!, body)).toBe(0);
  });

  test('the last one counts', async () => {
    const { store, other } = under();
    const { key } = make('');
    await store.write([{ key, body: Buffer.from('first') }], hour);
    await other.write([{ key, body: Buffer.from('second') }], hour);
    expect(Buffer.from((await store.read([key], hour)).get(key)!).toString()).toBe('second');
  });

  test('reading lengthens a life', async () => {
    const { store } = under();
    const [read, left] = [make('read'), make('left')];
    await store.write([read, left], 400);
    await store.read([read.key], hour);
    await until(async () => (await store.read([left.key], 1)).size === 0);
    expect((await store.read([read.key], hour)).size).toBe(1);
  });
}

describe('memos in the embedded store', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-memos-'));
  const databases = [1, 2].map(() => new Database({ dir, maxBytes: 64 * 2 ** 20 }));
  const [store, other] = databases.map((database) => new EmbeddedMemos(database, 2 ** 20));
  afterAll(() => {
    for (const database of databases) database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  suite(() => ({ store: store!, other: other! }));

  test('are swept when they have expired, and the longest unused when there are too many', async () => {
    let now = 1_000_000;
    const small = new EmbeddedMemos(databases[0]!, 20_000, () => now);
    databases[0]!.run('DELETE FROM memos');
    const body = Buffer.from(Array.from({ length: 900 }, () => randomUUID()).join('')).subarray(0, 3_000);
    for (let i = 0; i < 10; i++) await small.write([{ key: `k${i}`, body }], 1_000 + i);
    expect(small.sweep()).toBe(false);
    expect((await small.read(['k0', 'k9'], 1_000)).size).toBe(0);
    await small.write([{ key: 'later', body: Buffer.from('x') }], 1_000);
    now += 1_001;
    small.sweep();
    expect(databases[0]!.get('SELECT count(*) AS count FROM memos')).toEqual({ count: 0 });
  });
});

describe.skipIf(!hasRedis)('memos in Redis', () => {
  let server: RedisServer;
  let connections: RedisConnection[];
  beforeAll(async () => {
    server = await startRedis();
    const address = redisAddress(server.url) as RedisAddress;
    connections = [1, 2].map(() => new RedisConnection({ address, timeoutMs: 5_000, log }));
    await until(() => connections.every(({ well }) => well));
  });
  afterAll(async () => {
    for (const connection of connections ?? []) connection.close();
    await server?.stop();
  });
  suite(() => ({ store: new RedisMemos(connections[0]!), other: new RedisMemos(connections[1]!) }));
});

describe.skipIf(!hasRedis)('memos in a Redis Cluster', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let connections: RedisConnection[];
  beforeAll(async () => {
    cluster = await startCluster();
    const address = redisAddress(cluster.url) as RedisAddress;
    connections = [1, 2].map(() => new RedisConnection({ address, timeoutMs: 5_000, log }));
    await until(() => connections.every(({ well }) => well));
  });
  afterAll(async () => {
    for (const connection of connections ?? []) connection.close();
    await cluster?.stop();
  });
  suite(() => ({ store: new RedisMemos(connections[0]!), other: new RedisMemos(connections[1]!) }));
});

describe('shared memory', () => {
  /** A store that counts and may be away. */
  const counting = () => {
    const memos = new Map<string, Uint8Array>();
    const seen = { reads: 0, writes: 0, away: false };
    const store: MemoStore = {
      async write(list) {
        seen.writes++;
        if (seen.away) throw new Error('away');
        for (const { key, body } of list) memos.set(key, body);
      },
      async read(keys) {
        seen.reads++;
        if (seen.away) throw new Error('away');
        return new Map(keys.flatMap((key) => (memos.has(key) ? [[key, memos.get(key)!]] : [])));
      },
    };
    return { store, seen, memos };
  };
  const of = (store: MemoStore, kind = 'k') => new SharedMemory({ store, kind, ttlMs: hour });

  test('writes what belongs together at once, under keys that say nothing', async () => {
    const { store, seen, memos } = counting();
    const memory = of(store);
    await Promise.all(['tenant-a', 'tenant-b'].map((name) => memory.keep(name, Buffer.from(name))));
    expect(seen.writes).toBe(1);
    expect([...memos.keys()].join()).not.toContain('tenant');
    expect([...(await of(store).find(['tenant-a'])).values()].map(String)).toEqual(['tenant-a']);
    expect((await of(store, 'other').find(['tenant-a'])).size).toBe(0);
  });

  test('does not ask again for what nobody has, until somebody has it here', async () => {
    const { store } = counting();
    const memory = of(store);
    await memory.find(['x']);
    memory.nothing('y');
    expect(memory.possible(['x', 'y', 'z'])).toEqual(['z']);
    await memory.keep('x', Buffer.from('1'));
    expect(memory.possible(['x'])).toEqual(['x']);
  });

  test('is empty while the store is away, and never fails', async () => {
    const { store, seen } = counting();
    const memory = of(store);
    seen.away = true;
    await memory.keep('x', Buffer.from('1'));
    expect((await memory.find(['x'])).size).toBe(0);
    seen.away = false;
    expect(memory.possible(['x'])).toEqual(['x']);
    await breath();
  });
});
