import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import { Leases } from '../../src/sessions/leases.ts';
import { decodeMessages } from '../../src/sessions/messages.ts';
import type { SessionStore } from '../../src/sessions/store.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedSessions } from '../../src/store/embedded/sessions.ts';
import { unavailable } from '../../src/store/unavailable.ts';
import { until } from '../support/redis.ts';

let dir: string;
let database: Database;
let store: SessionStore;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-leases-'));
  database = new Database({ dir, maxBytes: 2 ** 26 });
  store = new EmbeddedSessions(database);
});
afterAll(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});

const never = new AbortController().signal;
let id: string;
const name = () => ({ tenant: 't', id, field: 'session_id' });
const said = (text: string) => [build.message(Role.USER, [build.textPart(text)])];
const leasesOf = (
  of: SessionStore,
  terms: Partial<{ leaseMs: number; waitMs: number; maxBytes: number }> = {},
) => new Leases(of, () => ({ leaseMs: 60_000, waitMs: 5_000, maxBytes: 1_000, ...terms }));
const reasonOf = (promise: Promise<unknown>): Promise<ErrorReason | undefined> =>
  promise.then(
    () => undefined,
    (error: GatewayError) => error.reason,
  );
const texts = async (): Promise<unknown[]> =>
  decodeMessages((await store.read('t', id))?.messages ?? []).map(
    ({ parts }) => parts[0]?.content.case === 'text' && parts[0].content.value.text,
  );

/** A store as an object of functions. */
const bound = (of: SessionStore): SessionStore => ({
  create: of.create.bind(of),
  ensure: of.ensure.bind(of),
  read: of.read.bind(of),
  delete: of.delete.bind(of),
  list: of.list.bind(of),
  lock: of.lock.bind(of),
  extend: of.extend.bind(of),
  append: of.append.bind(of),
  unlock: of.unlock.bind(of),
});

beforeEach(async () => {
  id = randomUUID();
  const createdUs = Date.now() * 1000;
  await store.create('t', { id, createdUs, expiresUs: createdUs + 3_600e6, contextJson: '{}' });
});

describe('of a session that may be new', () => {
  const newForMs = 60_000;

  test('a lease makes it, once', async () => {
    id = randomUUID();
    const leases = leasesOf(store);
    await expect(reasonOf(leases.acquire(name(), never))).resolves.toBe(ErrorReason.NOT_FOUND);
    const first = await leases.acquire({ ...name(), newForMs }, never);
    await first.save(said('one'));
    const second = await leases.acquire({ ...name(), newForMs }, never);
    expect(second.session.messages).toHaveLength(1);
    expect(second.session.expiresUs).toBe(first.session.expiresUs);
    second.release();
  });

  test('a lease is not waited for by a call that is over, and its place is free', async () => {
    const abort = new AbortController();
    const silent = { ...bound(store), ensure: () => new Promise<never>(() => {}) };
    const leases = leasesOf(silent);
    const waiting = leases.acquire({ ...name(), newForMs }, abort.signal);
    abort.abort(new Error('over'));
    await expect(waiting).rejects.toThrow('over');
    (await leases.acquire(name(), never)).release();
  });
});

describe('a lease', () => {
  test('of one process goes to the next in the order in which they came', async () => {
    const leases = leasesOf(store);
    const first = await leases.acquire(name(), never);
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      const lease = await leases.acquire(name(), never);
      order.push(n);
      await lease.save(said(`${n}`));
    });
    first.release();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
    expect(await texts()).toEqual(['1', '2', '3']);
  });

  test('has what those before it saved', async () => {
    const leases = leasesOf(store);
    const first = await leases.acquire(name(), never);
    const second = leases.acquire(name(), never);
    await first.save(said('one'), '{"new":1}');
    const { session, release } = await second.then((lease) => ({
      session: lease.session,
      release: () => lease.release(),
    }));
    expect(session).toMatchObject({ contextJson: '{"new":1}' });
    expect(session.messages.length).toBe(1);
    release();
  });

  test('is renewed as long as it is held', async () => {
    const lease = await leasesOf(store, { leaseMs: 90 }).acquire(name(), never);
    const held = performance.now();
    await until(() => performance.now() - held > 400);
    expect(await store.lock('t', id, 'other', 1_000)).toEqual({ kind: 'busy' });
    lease.release();
    await until(async () => (await store.lock('t', id, 'other', 1_000)).kind === 'locked');
  });

  test('is released once, whatever is called how often, and saves nothing afterwards', async () => {
    const leases = leasesOf(store);
    const lease = await leases.acquire(name(), never);
    lease.release();
    lease.release();
    const next = await leases.acquire(name(), never);
    lease.release();
    expect(await store.lock('t', id, 'other', 1_000)).toEqual({ kind: 'busy' });
    await expect(lease.save(said('late'))).rejects.toThrow('given back');
    await next.save(said('next'));
    next.release();
    expect(await texts()).toEqual(['next']);
  });

  test.each([
    ['gone', ErrorReason.NOT_FOUND, () => store.delete('t', id)],
    ['taken over', ErrorReason.DEPENDENCY_UNAVAILABLE, () => takeOver()],
  ])('whose session is %s cannot be saved', async (_name, reason, happen) => {
    const leases = leasesOf(store);
    const lease = await leases.acquire(name(), never);
    await happen();
    expect(await reasonOf(lease.save(said('x')))).toBe(reason);
    expect(await texts()).not.toContain('x');
  });

  async function takeOver(): Promise<void> {
    database.run('UPDATE sessions SET held_until = 0 WHERE id = ?', id);
    await store.lock('t', id, 'other', 60_000);
  }

  test('is refused for a session that is not there, or no id at all, without asking twice', async () => {
    const leases = leasesOf(store);
    for (const other of [randomUUID(), 'x', '']) {
      const wanted = { ...name(), id: other };
      expect(await reasonOf(leases.acquire(wanted, never))).toBe(ErrorReason.NOT_FOUND);
    }
  });
});

describe('waiting for a lease', () => {
  test('ends with the time, within a process and across them', async () => {
    const lease = await leasesOf(store).acquire(name(), never);
    const [same, other] = [leasesOf(store, { waitMs: 30 }), leasesOf(store, { waitMs: 30 })];
    const both = [same.acquire(name(), never), same.acquire(name(), never), other.acquire(name(), never)];
    expect(await Promise.all(both.map(reasonOf))).toEqual(Array(3).fill(ErrorReason.SESSION_BUSY));
    lease.release();
    (await same.acquire(name(), never)).release();
  });

  test('ends with the call', async () => {
    const lease = await leasesOf(store).acquire(name(), never);
    const leases = leasesOf(store);
    const [one, two] = [new AbortController(), new AbortController()];
    const polls = leases.acquire(name(), one.signal);
    const queues = leases.acquire(name(), two.signal);
    two.abort('two left');
    await expect(queues).rejects.toBe('two left');
    one.abort('one left');
    await expect(polls).rejects.toBe('one left');
    await expect(leases.acquire(name(), one.signal)).rejects.toBe('one left');
    lease.release();
    (await leases.acquire(name(), never)).release();
  });

  test('is refused when too many wait already', async () => {
    const leases = leasesOf(store);
    const lease = await leases.acquire(name(), never);
    const leave = new AbortController();
    const waiting = Array.from({ length: 257 }, () => reasonOf(leases.acquire(name(), leave.signal)));
    expect(await waiting[256]).toBe(ErrorReason.SESSION_BUSY);
    leave.abort();
    await Promise.all(waiting);
    lease.release();
  });
});

describe('a store that does not answer', () => {
  /** A store whose methods happen, but fail to say so, as often as told. */
  function mute(times: Partial<Record<keyof SessionStore, number>>): SessionStore {
    const left = { ...times };
    const handler: ProxyHandler<SessionStore> = {
      get:
        (target, key: keyof SessionStore) =>
        async (...args: unknown[]) => {
          const result = await (target[key] as (...given: unknown[]) => Promise<unknown>).apply(target, args);
          if ((left[key] ?? 0) <= 0) return result;
          left[key] = (left[key] as number) - 1;
          throw unavailable('redis', 'no answer in time');
        },
    };
    return new Proxy(store, handler);
  }

  test('when it locked leaves no lock behind', async () => {
    const leases = leasesOf(mute({ lock: 1, unlock: 3 }));
    expect(await reasonOf(leases.acquire(name(), never))).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
    await until(async () => (await store.lock('t', id, 'other', 60_000)).kind === 'locked');
  });

  test('when it locked, and does so later than it unlocks, leaves no lock behind', async () => {
    const kinds: string[] = [];
    const late: SessionStore = new Proxy(store, {
      get: (target, key: keyof SessionStore) =>
        key === 'lock'
          ? async (...args: Parameters<SessionStore['lock']>) => {
              setTimeout(async () => kinds.push((await target.lock(...args)).kind), 100);
              throw unavailable('redis', 'no answer in time');
            }
          : target[key].bind(target),
    });
    expect(await reasonOf(leasesOf(late).acquire(name(), never))).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
    await until(() => kinds.length === 1);
    expect(kinds).toEqual(['locked']);
    await until(async () => (await store.lock('t', id, 'other', 60_000)).kind === 'locked');
  });

  test('when it unlocked or saved lets the next one come', async () => {
    const leases = leasesOf(mute({ unlock: 1, append: 1 }));
    (await leases.acquire(name(), never)).release();
    const lease = await leases.acquire(name(), never);
    expect(await reasonOf(lease.save(said('x')))).toBe(ErrorReason.DEPENDENCY_UNAVAILABLE);
    (await leases.acquire(name(), never)).release();
    await leases.settled(1_000);
    expect((await store.lock('t', id, 'other', 60_000)).kind).toBe('locked');
  });

  test('holds the end of the process up for no longer than it may', async () => {
    const silent: SessionStore = new Proxy(store, {
      get: (target, key: keyof SessionStore) =>
        key === 'unlock' ? () => new Promise(() => {}) : target[key].bind(target),
    });
    const leases = leasesOf(silent);
    (await leases.acquire(name(), never)).release();
    const began = performance.now();
    await leases.settled(50);
    expect(performance.now() - began).toBeLessThan(500);
  });
});
