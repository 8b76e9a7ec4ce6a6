import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { createLogger } from '../../src/observability/log.ts';
import type { ClaimedResponse, NewResponse, ResponseStore } from '../../src/responses/store.ts';
import { RedisConnection } from '../../src/store/redis/connection.ts';
import { OpenIndex } from '../../src/store/redis/open-index.ts';
import { RedisResponses } from '../../src/store/redis/responses.ts';
import {
  hasRedis,
  type RedisServer,
  startCluster,
  startRedis,
  startSentinel,
  until,
} from '../support/redis.ts';
import { bytes, type ResponsesUnderTest, responseSuite, text } from './support/response-suite.ts';

interface Connected {
  readonly under: ResponsesUnderTest;
  /** The first store's. */
  readonly redis: RedisConnection;
  close(): void;
}

async function connect(url: string): Promise<Connected> {
  let offset = 0;
  const nowUs = () => Date.now() * 1000 + offset;
  const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
  const address = redisAddress(url) as RedisAddress;
  const connections = [0, 1].map(() => new RedisConnection({ address, timeoutMs: 200, log }));
  await until(() => connections.every(({ well }) => well));
  const [store, other] = connections.map((redis) => new RedisResponses(redis, { nowUs }));
  return {
    under: { store: store!, other: other!, nowUs, advance: (seconds) => void (offset += seconds * 1e6) },
    redis: connections[0]!,
    close: () => connections.forEach((redis) => void redis.close()),
  };
}

const maxBytes = 2 ** 20;
const long = 60_000;
const response = (changes: Partial<NewResponse> = {}): NewResponse => ({
  id: randomUUID(),
  createdUs: Date.now() * 1000,
  expiresUs: Date.now() * 1000 + 3_600e6,
  body: bytes('body'),
  input: [bytes('input')],
  maker: '',
  open: { holder: 'h', leaseMs: long },
  ...changes,
});
const drain = async (store: ResponseStore): Promise<void> => {
  while ((await store.claim('drain', 600_000)) !== null);
};

/** How a step fails, and how long that takes; null when it does not. */
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

describe.skipIf(!hasRedis)('responses in Redis', () => {
  let server: RedisServer;
  let connected: Connected;
  beforeAll(async () => {
    server = await startRedis();
    connected = await connect(server.url);
  });
  afterAll(async () => {
    connected.close();
    await server.stop();
  });
  responseSuite(() => connected.under);

  const openEntries = async (): Promise<string> => {
    const shards = Array.from({ length: 16 }, (_, n) => `llmgateway:responses:open:{${n}}`);
    return (await Promise.all(shards.map((key) => server.cli('ZRANGE', key, '0', '-1')))).join('\n');
  };
  const forgetIndex = async (): Promise<void> => {
    for (let n = 0; n < 16; n++) await server.cli('DEL', `llmgateway:responses:open:{${n}}`);
  };

  test('leave nothing that does not expire by itself', async () => {
    const { store } = connected.under;
    const made = response();
    await store.create('t', made);
    await store.append('t', made.id, { holder: 'h', after: 0, events: [bytes('x')], maxBytes }, long);
    await store.create('t', response({ open: null }));
    await store.indexItems('t', made, ['i']);
    const conversation = { ...made, metadataJson: '{}' };
    await store.createConversation('t', conversation, [{ id: 'i', body: bytes('x') }]);
    await store.createConversation('t', { ...conversation, id: 'late' }, []);
    await store.addItems('t', 'late', { items: [{ id: 'i', body: bytes('x') }], maxBytes, after: null });
    const keys = (await server.cli('KEYS', '*')).split('\n');
    expect(keys.filter((key) => key.includes(made.id)).length).toBe(6);
    expect(keys.filter((key) => key.includes('/late}')).length).toBe(3);
    const eternal = `local found = {}
      for _, key in ipairs(redis.call('KEYS', '*')) do
        if redis.call('PTTL', key) == -1 then found[#found + 1] = key end
      end
      return found`;
    expect(await server.cli('EVAL', eternal, '0')).toBe('');
  });

  test('survive a server that forgot its scripts', async () => {
    await server.cli('SCRIPT', 'FLUSH');
    const made = response();
    await connected.under.store.create('', made);
    expect(await connected.under.store.read('', made.id)).toMatchObject({ id: made.id, open: true });
  });

  test('are out of the index when they are over or deleted', async () => {
    const { store } = connected.under;
    const [ended, deleted] = [response(), response({ open: null })];
    for (const made of [ended, deleted]) await store.create('', made);
    expect(await openEntries()).toContain(ended.id);
    expect(await openEntries()).toContain(deleted.id);
    const last = { holder: 'h', after: 0, events: [], maxBytes, body: bytes('b') };
    await store.end('', ended.id, last);
    await store.delete('', deleted.id);
    await until(async () => {
      const entries = await openEntries();
      return !entries.includes(ended.id) && !entries.includes(deleted.id);
    });
  });

  test.each([
    ['reads it', (id: string) => connected.under.store.read('', id)],
    ['reads its events', (id: string) => connected.under.store.events('', id, 0, 1)],
    ['wants it stopped', (id: string) => connected.under.store.cancel('', id)],
  ])('that the index has lost are found again when somebody %s', async (_name, touch) => {
    const { store, other } = connected.under;
    await drain(store);
    const queued = response({ open: null });
    const left = response({ open: { holder: 'h', leaseMs: 1 } });
    for (const made of [queued, left]) await store.create('', made);
    await until(async () => (await store.read('', left.id))?.abandoned === true);
    await forgetIndex();
    expect(await store.claim('i', long)).toBeNull();
    for (const { id } of [queued, left]) await touch(id);
    const claimed: string[] = [];
    await until(async () => {
      const claim = await other.claim('i', long);
      if (claim !== null) claimed.push(claim.response.id);
      return claimed.length === 2;
    });
    expect(claimed.toSorted()).toEqual([queued.id, left.id].toSorted());
  });

  test('that the index has lost are back in it with the next renewal', async () => {
    const { store } = connected.under;
    const made = response();
    await store.create('', made);
    await forgetIndex();
    expect(await store.extend('', made.id, 'h', long)).toBe('done');
    await until(async () => (await openEntries()).includes(made.id));
  });

  test('are not forgotten when they are claimed before they are there', async () => {
    const { store } = connected.under;
    await drain(store);
    const made = response({ open: null });
    // The first half of making one: the entry in the index.
    await new OpenIndex(connected.redis).add({ tenant: '', ...made }, 0);
    expect(await store.claim('i', long)).toBeNull();
    expect(await openEntries()).toContain(made.id);
    await store.create('', made);
    let claim: ClaimedResponse | null = null;
    await until(async () => (claim = await store.claim('i', long)) !== null);
    expect(claim).toMatchObject({ response: { id: made.id } });
  });

  test('that never came to be leave the index in the end, however many', async () => {
    const { store } = connected.under;
    await drain(store);
    const index = new OpenIndex(connected.redis);
    const ghosts = Array.from({ length: 100 }, () => response({ createdUs: Date.now() * 1000 - 7_200e6 }));
    for (const ghost of ghosts) await index.add({ tenant: '', ...ghost }, 0);
    const made = response({ open: null });
    await store.create('', made);
    expect((await store.claim('i', long))?.response.id).toBe(made.id);
    expect(await store.claim('i', long)).toBeNull();
    const entries = await openEntries();
    expect(ghosts.filter(({ id }) => entries.includes(id))).toEqual([]);
  });

  test('with a large input are read in one round trip', async () => {
    const { store } = connected.under;
    const made = response({ input: [new Uint8Array(2 ** 20), bytes('y')], open: 'over' });
    await store.create('', made);
    const calls = async (): Promise<number> =>
      Number(/^total_commands_processed:(\d+)/m.exec(await server.cli('INFO', 'stats'))?.[1]);
    const scripted = async (): Promise<number> =>
      Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(await server.cli('INFO', 'commandstats'))?.[1]);
    expect(await calls()).toBeGreaterThan(0);
    const before = await scripted();
    expect((await store.read('', made.id))?.input.map(({ length }) => length)).toEqual([2 ** 20, 1]);
    expect(await scripted()).toBe(before + 1);
  });

  test('cannot be reached: every step fails in time, with a lost answer each can be repeated', async () => {
    const { store } = connected.under;
    const made = response();
    const fresh = response();
    const conversation = { ...made, metadataJson: '{}' };
    await store.create('', made);
    await store.createConversation('', conversation, []);
    const what = { holder: 'h', after: 0, events: [bytes('a')], maxBytes };
    const items = [{ id: 'i', body: bytes('i') }];
    const addition = { items, maxBytes, after: 0 };
    server.signal('SIGSTOP');
    const asked = [
      store.create('', fresh),
      store.read('', made.id),
      store.append('', made.id, what, long),
      store.extend('', made.id, 'h', long),
      store.events('', made.id, 0, 1),
      store.cancel('', fresh.id),
      store.take('', made.id, 'h', long),
      store.claim('i', long),
      store.indexItems('', made, ['a', 'b']),
      store.findItem('', 'a'),
      store.readConversation('', made.id),
      store.addItems('', made.id, addition),
      store.listItems('', made.id, { limit: 1, after: '', ascending: true }),
    ];
    const failed = await Promise.all(asked.map(failure));
    for (const one of failed) {
      expect(one?.error.reason).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
      expect(one?.ms).toBeLessThan(400);
    }
    server.signal('SIGCONT');
    await until(() => connected.redis.well);
    // All of these may or may not have happened.
    await store.create('', fresh);
    expect(await store.append('', made.id, what, long)).toBe('done');
    expect(await store.addItems('', made.id, addition)).toBe('saved');
    expect((await store.events('', made.id, 0, 10))?.events.map(text)).toEqual(['a']);
    expect((await store.conversationItems('', made.id))?.length).toBe(1);
    expect(await store.read('', fresh.id)).toMatchObject({ open: true, eventCount: 0 });
  });
});

describe.skipIf(!hasRedis)('responses in a Redis Cluster of three nodes', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let connected: Connected;
  beforeAll(async () => {
    cluster = await startCluster();
    connected = await connect(cluster.url);
  });
  afterAll(async () => {
    connected?.close();
    await cluster?.stop();
  });
  responseSuite(() => connected.under);

  test('go on with what the others have when a node is killed, and with all when it is back', async () => {
    const { store, other } = connected.under;
    await drain(store);
    const held = Array.from({ length: 40 }, () => response());
    const queued = Array.from({ length: 40 }, () => response({ open: null }));
    for (const made of [...held, ...queued]) await store.create('', made);
    const append = (id: string, after: number) =>
      store.append('', id, { holder: 'h', after, events: [bytes(`${after}`)], maxBytes }, long);
    for (const { id } of held) expect(await append(id, 0)).toBe('done');
    const dead = cluster.nodes[1]!;
    // Only the keys of responses: the index has ids as well, but in its values.
    const there = new Set((await dead.cli('KEYS', '*')).match(/[\da-f]{8}-[\da-f-]{27}/g));
    const isThere = ({ id }: NewResponse): boolean => there.has(id);
    expect(held.filter(isThere).length).toBeGreaterThan(3);
    expect(queued.filter(isThere).length).toBeGreaterThan(3);

    await dead.kill();
    for (const { id } of held.filter(isThere).slice(0, 3)) {
      const failed = await failure(append(id, 1));
      expect(failed?.error.reason).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
      expect(failed?.ms).toBeLessThan(1_000);
    }
    for (const made of held.filter((one) => !isThere(one))) expect(await append(made.id, 1)).toBe('done');
    // Others get what can be reached and is in a part of the index that can be reached; never the same twice.
    const claimed: string[] = [];
    await until(async () => {
      const claim = await other.claim('i', long).catch(() => null);
      if (claim !== null) claimed.push(claim.response.id);
      return claimed.length > 5;
    });

    await dead.start();
    for (const { id } of held) {
      await until(async () => (await append(id, 1).catch(() => null)) === 'done');
      expect((await store.events('', id, 0, 10))?.events.map(text)).toEqual(['0', '1']);
    }
    await until(async () => {
      const claim = await other.claim('i', long).catch(() => null);
      if (claim !== null) claimed.push(claim.response.id);
      return claimed.length >= queued.length;
    }, 20_000);
    expect(claimed.toSorted()).toEqual(queued.map(({ id }) => id).toSorted());
  }, 40_000);
});

describe.skipIf(!hasRedis)('responses in a Redis that Sentinels watch', () => {
  const servers: RedisServer[] = [];
  let connected: Connected;
  beforeAll(async () => {
    const first = await startRedis();
    servers.push(first);
    const second = await startRedis('--replicaof', '127.0.0.1', String(first.port));
    servers.push(second);
    const sentinel = await startSentinel(first.port);
    servers.push(sentinel);
    await until(async () =>
      (await sentinel.cli('SENTINEL', 'REPLICAS', 'mymaster')).includes(String(second.port)),
    );
    connected = await connect(`redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`);
  });
  afterAll(async () => {
    connected?.close();
    await Promise.all(servers.map((server) => server.stop()));
  });
  responseSuite(() => connected.under);

  test('are at its successor when it is killed, with their leases', async () => {
    const { store, other } = connected.under;
    await drain(store);
    const [held, queued] = [response(), response({ open: null })];
    for (const made of [held, queued]) await store.create('', made);
    const append = (after: number) =>
      store.append('', held.id, { holder: 'h', after, events: [bytes(`${after}`)], maxBytes }, long);
    await append(0);
    // The last of what was written: all before it is at the replica as well.
    const events = `llmgateway:response:{/${held.id}}:events`;
    await until(async () => (await servers[1]!.cli('LLEN', events)) === '1');
    await servers[0]!.kill();
    await until(async () => (await append(1).catch(() => null)) === 'done', 18_000);
    expect((await store.events('', held.id, 0, 10))?.events.map(text)).toEqual(['0', '1']);
    expect(await other.take('', held.id, 'i', long).catch(() => null)).toBeNull();
    let claim: ClaimedResponse | null = null;
    await until(async () => (claim = await other.claim('i', long).catch(() => null)) !== null);
    expect(claim).toMatchObject({ wasBegun: false, response: { id: queued.id } });
  }, 40_000);
});
