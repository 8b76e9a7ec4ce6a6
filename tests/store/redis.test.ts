import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { createLogger } from '../../src/observability/log.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { RedisSessions } from '../../src/store/redis/sessions.ts';
import {
  hasRedis,
  type RedisServer,
  startCluster,
  startRedis,
  startSentinel,
  until,
} from '../support/redis.ts';
import { type StoreUnderTest, sessionSuite } from './support/session-suite.ts';

type Line = Record<string, unknown>;

interface Connected {
  readonly redis: RedisConnection;
  readonly lines: Line[];
  /** What was told of each command. */
  readonly told: { readonly answered: boolean; readonly ms: number | null }[];
}

function connect(url: string, timeoutMs = 200): Connected {
  const lines: Line[] = [];
  const told: Connected['told'] = [];
  const onCommand = (answered: boolean, ms: number | null): void => void told.push({ answered, ms });
  const log = createLogger({
    service: 't',
    level: 'DEBUG',
    sink: (line) => void lines.push(JSON.parse(line)),
  });
  return {
    redis: new RedisConnection({ address: redisAddress(url) as RedisAddress, timeoutMs, log, onCommand }),
    lines,
    told,
  };
}

async function startStores(url: string): Promise<{ under: StoreUnderTest; close(): void }> {
  let offset = 0;
  const nowUs = () => Date.now() * 1000 + offset;
  const connections = [connect(url).redis, connect(url).redis];
  await until(() => connections.every(({ well }) => well));
  const [store, other] = connections.map((redis) => new RedisSessions(redis, { nowUs }));
  return {
    under: { store: store!, other: other!, nowUs, advance: (seconds) => void (offset += seconds * 1e6) },
    close: () => connections.forEach((redis) => void redis.close()),
  };
}

const session = () => ({
  id: randomUUID(),
  createdUs: Date.now() * 1000,
  expiresUs: Date.now() * 1000 + 3_600e6,
  contextJson: '{}',
});

/** How a command fails, and how long that takes; null when it does not. */
async function failure(promise: Promise<unknown>): Promise<{ error: GatewayError; ms: number } | null> {
  const began = performance.now();
  try {
    await promise;
    return null;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { error, ms: performance.now() - began };
  }
}

const messages = (lines: readonly Line[]) => lines.map(({ level, message }) => `${level} ${message}`);

describe.skipIf(!hasRedis)('sessions in Redis', () => {
  let server: RedisServer;
  let stores: Awaited<ReturnType<typeof startStores>>;
  beforeAll(async () => {
    server = await startRedis();
    stores = await startStores(server.url);
  });
  afterAll(async () => {
    stores.close();
    await server.stop();
  });
  sessionSuite(() => stores.under);

  test('take an answer that came while the process was too busy to look, however long that was', async () => {
    const { redis } = connect(server.url, 50);
    try {
      await until(() => redis.well);
      for (let round = 0; round < 8; round++) {
        const answer = redis.command('PING');
        const began = performance.now();
        while (performance.now() - began < 120);
        expect(String(await answer)).toBe('PONG');
      }
      expect(redis.well).toBe(true);
    } finally {
      redis.close();
    }
  });

  test('leave nothing that does not expire by itself', async () => {
    const { store } = stores.under;
    const { id, ...rest } = session();
    await store.create('t', { id, ...rest });
    await store.lock('t', id, 'h', 60_000);
    await store.append('t', id, { holder: 'h', after: 0, messages: [new Uint8Array(1)], maxBytes: 100 });
    await store.lock('t', id, 'i', 60_000);
    const keys = (await server.cli('KEYS', '*')).split('\n');
    expect(keys.filter((key) => key.includes(id)).length).toBe(3);
    for (const key of keys)
      expect([key, Number(await server.cli('PTTL', key))]).toEqual([key, expect.any(Number)]);
    for (const key of keys) expect(Number(await server.cli('PTTL', key))).toBeGreaterThan(0);
  });

  test('survive a server that forgot its scripts', async () => {
    await server.cli('SCRIPT', 'FLUSH');
    const made = session();
    await stores.under.store.create('', made);
    expect(await stores.under.store.read('', made.id)).toMatchObject(made);
  });
});

describe.skipIf(!hasRedis)('a Redis Cluster of three nodes', () => {
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
  sessionSuite(() => stores.under);

  test('has the sessions of one tenant on all of its nodes', async () => {
    const { store } = stores.under;
    for (let i = 0; i < 30; i++) await store.create('', session());
    for (const node of cluster.nodes) expect(Number(await node.cli('DBSIZE'))).toBeGreaterThan(2);
  });

  test('goes on with what the others have when a node is killed, and with all when it is back', async () => {
    const { store } = stores.under;
    const made = Array.from({ length: 60 }, session);
    for (const one of made) await store.create('', one);
    const dead = cluster.nodes[1]!;
    const there = new Set((await dead.cli('KEYS', '*')).match(/[\da-f-]{36}/g));
    const lost = made.filter(({ id }) => there.has(id));
    expect(lost.length).toBeGreaterThan(3);
    await dead.kill();
    for (const { id } of lost.slice(0, 3)) {
      const failed = await failure(store.read('', id));
      expect(failed?.error.reason).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
      expect(failed?.ms).toBeLessThan(1_000);
    }
    for (const one of made.filter(({ id }) => !there.has(id))) {
      expect(await store.read('', one.id)).toMatchObject(one);
      expect((await store.lock('', one.id, 'h', 60_000)).kind).toBe('locked');
    }
    await dead.start();
    for (const one of made) {
      await until(async () => (await store.read('', one.id).catch(() => null))?.id === one.id);
    }
  });
});

describe.skipIf(!hasRedis)('a connection to Redis', () => {
  const servers: RedisServer[] = [];
  const open: RedisConnection[] = [];
  const start = async (...options: string[]): Promise<RedisServer> => {
    const server = await startRedis(...options);
    servers.push(server);
    return server;
  };
  const connected = (url: string): ReturnType<typeof connect> => {
    const connection = connect(url);
    open.push(connection.redis);
    return connection;
  };
  afterAll(async () => {
    for (const redis of open) redis.close();
    await Promise.all(servers.map((server) => server.stop()));
  });

  test('that hangs fails in time, then at once, and comes back by itself', async () => {
    const server = await start();
    const { redis, lines, told } = connected(server.url);
    const sessions = new RedisSessions(redis);
    const made = session();
    await until(() => redis.well);
    await sessions.create('', made);
    expect(messages(lines)).toEqual(['INFO redis answers']);
    server.signal('SIGSTOP');
    const slow = await Promise.all(Array.from({ length: 20 }, () => failure(sessions.read('', made.id))));
    for (const failed of slow) {
      expect(failed?.error.rawMessage).toBe('redis is not available: no answer in time');
      expect(failed?.error.status).toBe(503);
      expect(failed?.ms).toBeLessThan(400);
    }
    const fast = await failure(sessions.read('', made.id));
    expect(fast?.error.reason).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
    expect(fast?.ms).toBeLessThan(50);
    expect(told.some(({ answered, ms }) => !answered && ms !== null)).toBe(true);
    expect(told.at(-1)).toEqual({ answered: false, ms: null });
    // Saving is tried again, but not for long.
    const what = { holder: 'h', after: 0, messages: [], maxBytes: 100 };
    expect((await failure(sessions.append('', made.id, what)))?.ms).toBeLessThan(1_000);
    expect(messages(lines)).toEqual(['INFO redis answers', 'WARN redis does not answer']);
    server.signal('SIGCONT');
    await until(() => redis.well);
    expect(await sessions.read('', made.id)).toMatchObject(made);
    await until(() => lines.length === 3);
    expect(messages(lines)[2]).toBe('INFO redis answers');
  });

  test('that hangs for long comes back by itself, too', async () => {
    const server = await start();
    const { redis, lines } = connected(server.url);
    await until(() => redis.well);
    server.signal('SIGSTOP');
    // Until the connection itself is given up, and longer.
    const until5s = performance.now() + 5_000;
    let slowest = 0;
    while (performance.now() < until5s) {
      slowest = Math.max(slowest, (await failure(redis.command('PING')))?.ms ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(slowest).toBeLessThan(500);
    server.signal('SIGCONT');
    await until(() => redis.well);
    expect(String(await redis.command('PING'))).toBe('PONG');
    await until(() => lines.length >= 3);
    expect(messages(lines)).toEqual([
      'INFO redis answers',
      'WARN redis does not answer',
      'INFO redis answers',
    ]);
  });

  test('to a server that is killed fails at once, loses nothing, and says so once', async () => {
    const server = await start();
    const { redis, lines } = connected(server.url);
    const sessions = new RedisSessions(redis);
    const made = session();
    await until(() => redis.well);
    await sessions.create('', made);
    await server.kill();
    await until(() => !redis.well);
    for (let i = 0; i < 20; i++) {
      const failed = await failure(sessions.read('', made.id));
      expect(failed?.error.rawMessage).toBe('redis is not available: there is no connection');
      expect(failed?.ms).toBeLessThan(100);
    }
    await server.start();
    await until(() => redis.well);
    expect(await sessions.read('', made.id)).toMatchObject(made);
    expect(messages(lines)).toEqual([
      'INFO redis answers',
      'WARN redis does not answer',
      'INFO redis answers',
    ]);
  });

  test('starts without a server and finds it later', async () => {
    const server = await start();
    await server.kill();
    const { redis, lines, told } = connected(server.url);
    await until(() => lines.length === 1);
    expect(lines[0]).toMatchObject({
      level: 'WARN',
      message: 'redis does not answer',
      error: 'ECONNREFUSED',
    });
    expect((await failure(redis.command('PING')))?.ms).toBeLessThan(50);
    // What was not sent took no time that would tell of the server.
    expect(told).toEqual([{ answered: false, ms: null }]);
    await server.start();
    await until(() => redis.well);
    await redis.command('PING');
    expect(told.at(-1)).toEqual({ answered: true, ms: expect.any(Number) });
    await until(() => lines.length === 2);
    expect(messages(lines)[1]).toBe('INFO redis answers');
  });

  test('never repeats a command that was not answered', async () => {
    const server = await start();
    const { redis } = connected(server.url);
    await until(() => redis.well);
    server.signal('SIGSTOP');
    const tries = Array.from({ length: 4 }, () => failure(redis.command('INCR', 'n')));
    await Promise.all(tries);
    await server.kill();
    await until(() => !redis.well);
    await server.start();
    await until(() => redis.well);
    expect(Number(await redis.command('INCR', 'n'))).toBe(1);
  });

  test('with a wrong password says so, and shows neither', async () => {
    const server = await start('--requirepass', 'right-password');
    const url = `redis://:wrong-password@127.0.0.1:${server.port}`;
    const { redis, lines } = connected(url);
    await until(() => lines.length > 0);
    expect(lines[0]).toMatchObject({ message: 'redis does not answer', error: 'it answers WRONGPASS' });
    const failed = await failure(redis.command('PING'));
    expect(failed?.error.status).toBe(503);
    expect(JSON.stringify([lines, failed?.error.message])).not.toMatch(/-password/);
  });

  test('with user, password and database uses them', async () => {
    const server = await start(
      ...['--user', 'me', 'on', '>secret:pass/word', '~*', '+@all'],
      '--user',
      'default',
      'off',
    );
    const login = `me:${encodeURIComponent('secret:pass/word')}`;
    const { redis } = connected(`redis://${login}@127.0.0.1:${server.port}/3`);
    await until(() => redis.well);
    expect(String(await redis.command('ACL', 'WHOAMI'))).toBe('me');
    await redis.command('SET', 'k', 'v');
    expect(String(await redis.command('CLIENT', 'INFO'))).toContain(' db=3 ');
  });

  test('finds the server that Sentinels name, and its successor', async () => {
    const first = await start();
    const second = await start('--replicaof', '127.0.0.1', String(first.port));
    const sentinel = await startSentinel(first.port);
    servers.push(sentinel);
    const { redis } = connected(`redis+sentinel://127.0.0.1:1,127.0.0.1:${sentinel.port}/mymaster`);
    await until(() => redis.well);
    await redis.command('SET', 'k', 'v');
    await until(async () => (await second.cli('GET', 'k')) === 'v');
    await until(async () =>
      (await sentinel.cli('SENTINEL', 'REPLICAS', 'mymaster')).includes(String(second.port)),
    );
    await first.kill();
    await until(async () => {
      const answer = await redis.command('SET', 'k', 'w').catch(() => null);
      return answer !== null;
    }, 18_000);
    expect(await second.cli('GET', 'k')).toBe('w');
  }, 40_000);

  test('does not fail for others when a command is wrong', async () => {
    const server = await start();
    const { redis, lines } = connected(server.url);
    await until(() => redis.well);
    for (let i = 0; i < 40; i++) {
      const failed = await failure(redis.command('HGET', 'only one argument'));
      expect(failed?.error.rawMessage).toBe('redis is not available: it answers ERR');
    }
    expect(String(await redis.command('PING'))).toBe('PONG');
    expect(messages(lines)).toEqual(['INFO redis answers']);
  });
});
