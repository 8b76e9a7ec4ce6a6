import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { createLogger } from '../../src/observability/log.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedKeys } from '../../src/store/embedded/keys.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { RedisKeys } from '../../src/store/redis/keys.ts';
import { hasRedis, startCluster, startRedis, until } from '../support/redis.ts';
import { type KeyStoresUnderTest, keySuite } from './support/key-suite.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });

async function startStores(url: string, timeoutMs = 5_000) {
  const address = redisAddress(url) as RedisAddress;
  const connections = [1, 2].map(() => new RedisConnection({ address, timeoutMs, log }));
  await until(() => connections.every(({ well }) => well));
  const [store, other] = connections.map((redis) => new RedisKeys(redis));
  const under: KeyStoresUnderTest = { store: store!, other: other! };
  return { under, close: () => connections.forEach((redis) => void redis.close()) };
}

describe('keys in the embedded store', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-keys-'));
  const databases = [1, 2].map(() => new Database({ dir, maxBytes: 64 * 2 ** 20 }));
  const [store, other] = databases.map((database) => new EmbeddedKeys(database));
  afterAll(() => {
    for (const database of databases) database.close();
    rmSync(dir, { recursive: true, force: true });
  });
  keySuite(() => ({ store: store!, other: other! }));
});

describe.skipIf(!hasRedis).each([
  ['Redis', startRedis],
  ['a Redis Cluster', startCluster],
] as const)('keys in %s', (kind, start) => {
  let server: { readonly url: string; stop(): Promise<void> };
  let stores: Awaited<ReturnType<typeof startStores>>;
  beforeAll(async () => {
    server = await start();
    stores = await startStores(server.url);
  });
  afterAll(async () => {
    stores?.close();
    await server?.stop();
  });
  keySuite(() => stores.under);

  test.skipIf(kind !== 'Redis')(
    'cannot be known while it is away, which every method says in time',
    async () => {
      const hasty = await startStores(server.url, 200);
      const { store } = hasty.under;
      (server as Awaited<ReturnType<typeof startRedis>>).signal('SIGSTOP');
      const began = performance.now();
      const asked = [
        store.find('x'),
        store.read('x'),
        store.list(1, ''),
        store.remove('x'),
        store.used(new Map([['x', 1]])),
      ];
      await Promise.all(
        asked.map((one) => expect(one).rejects.toMatchObject({ reason: ErrorReason.DEPENDENCY_UNAVAILABLE })),
      );
      expect(performance.now() - began).toBeLessThan(1_000);
      (server as Awaited<ReturnType<typeof startRedis>>).signal('SIGCONT');
      hasty.close();
    },
  );
});
