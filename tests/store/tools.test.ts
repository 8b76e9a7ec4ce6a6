import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { createLogger } from '../../src/observability/log.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { migrations } from '../../src/store/embedded/schema.ts';
import { EmbeddedTools } from '../../src/store/embedded/tools.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { RedisTools } from '../../src/store/redis/tools.ts';
import { hasRedis, type RedisServer, startCluster, startRedis, until } from '../support/redis.ts';
import { type ToolStoresUnderTest, toolSuite } from './support/tool-suite.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });

/** @param timeoutMs long by default, since a busy machine is no fault of the store's */
async function startStores(
  url: string,
  timeoutMs = 5_000,
): Promise<{ under: ToolStoresUnderTest; close(): void }> {
  const address = redisAddress(url) as RedisAddress;
  const connections = [1, 2].map(() => new RedisConnection({ address, timeoutMs, log }));
  await until(() => connections.every(({ well }) => well));
  const [store, other] = connections.map((redis) => new RedisTools(redis));
  return {
    under: { store: store!, other: other! },
    close: () => connections.forEach((redis) => void redis.close()),
  };
}

describe('tools in the embedded store', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-tools-'));
  const open = () => new Database({ dir, maxBytes: 64 * 2 ** 20 });
  const databases = [open(), open()];
  const [store, other] = databases.map((database) => new EmbeddedTools(database));
  afterAll(() => {
    for (const database of databases) database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  toolSuite(() => ({ store: store!, other: other! }));

  test('are there after a restart', async () => {
    await store!.register(
      'kept',
      {
        name: 't',
        description: 'd',
        parametersJson: '{}',
        handler: { url: 'https://x.example/', method: 'POST', headers: {}, timeoutMs: 1 },
        createdUs: 1,
      },
      { tools: 1, bytes: 1_000 },
    );
    const database = open();
    expect((await new EmbeddedTools(database).read('kept', 't'))?.name).toBe('t');
    database.close();
  });
});

test('a file of before there were tools gets a place for them', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-tools-'));
  const before = new DatabaseSync(path.join(dir, 'gateway.db'));
  before.exec(migrations[0]!);
  before.exec(
    "INSERT INTO sessions VALUES (1, '', 'kept', 1, 2, '{}', 2, 0, NULL, 0, NULL); PRAGMA user_version = 1",
  );
  before.close();
  const database = new Database({ dir, maxBytes: 2 ** 20 });
  expect(await new EmbeddedTools(database).list('')).toEqual([]);
  expect(database.get('SELECT id FROM sessions')).toEqual({ id: 'kept' });
  database.close();
  rmSync(dir, { recursive: true });
});

describe.skipIf(!hasRedis)('tools in Redis', () => {
  let server: RedisServer;
  let stores: Awaited<ReturnType<typeof startStores>>;
  beforeAll(async () => {
    server = await startRedis();
    stores = await startStores(server.url);
  });
  afterAll(async () => {
    stores?.close();
    await server?.stop();
  });
  toolSuite(() => stores.under);

  test('cannot be known while it is away, which every method says in time', async () => {
    const hasty = await startStores(server.url, 200);
    const { store } = hasty.under;
    server.signal('SIGSTOP');
    const began = performance.now();
    const tool = {
      name: 't',
      description: 'd',
      parametersJson: '{}',
      handler: { url: 'https://x.example/', method: 'POST' as const, headers: {}, timeoutMs: null },
      createdUs: 1,
    };
    const reason = { reason: ErrorReason.DEPENDENCY_UNAVAILABLE };
    await Promise.all(
      [
        store.list('x'),
        store.read('x', 't'),
        store.delete('x', 't'),
        store.register('x', tool, { tools: 1, bytes: 1_000 }),
      ].map((asked) => expect(asked).rejects.toMatchObject(reason)),
    );
    expect(performance.now() - began).toBeLessThan(1_000);
    server.signal('SIGCONT');
    await until(() => store.list('x').then(Array.isArray, () => false));
    hasty.close();
  });
});

describe.skipIf(!hasRedis)('tools in a Redis Cluster', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let stores: Awaited<ReturnType<typeof startStores>>;
  beforeAll(async () => {
    cluster = await startCluster();
    stores = await startStores(cluster.url);
  });
  afterAll(async () => {
    stores?.close();
    await cluster?.stop();
  });
  toolSuite(() => stores.under);
});
