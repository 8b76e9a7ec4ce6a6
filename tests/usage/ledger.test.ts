import { expect, test } from 'vitest';
import { UsageGroup } from '../../gen/llmgateway/v1/usage_service_pb.js';
import { anonymous, type Principal } from '../../src/auth/principal.ts';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import { createLogger } from '../../src/observability/log.ts';
import { usageApi } from '../../src/rpc/usage-api.ts';
import { unavailable } from '../../src/store/unavailable.ts';
import { Ledger, type UsageRecord } from '../../src/usage/ledger.ts';
import { addCounters, type Counters, type UsageBatch, type UsageStore } from '../../src/usage/store.ts';

/** A store in memory that can be out of order. */
class Memory implements UsageStore {
  readonly batches: UsageBatch[] = [];
  readonly totals = new Map<string, Map<string, Counters>>();
  down = false;

  async add(batch: UsageBatch): Promise<void> {
    if (this.down) throw unavailable('redis', 'test');
    this.batches.push(batch);
    for (const { dimension, name, counters } of batch.entries) {
      const key = JSON.stringify([batch.scope, batch.day, dimension]);
      const names = this.totals.get(key) ?? new Map<string, Counters>();
      this.totals.set(key, names);
      const sum = names.get(name);
      if (sum === undefined) names.set(name, { ...counters });
      else addCounters(sum, counters);
    }
  }

  async read(scope: string | null, day: string, dimension: string): Promise<Map<string, Counters>> {
    if (this.down) throw unavailable('redis', 'test');
    return this.totals.get(JSON.stringify([scope, day, dimension])) ?? new Map();
  }
}

const record = (more: Partial<UsageRecord> = {}): UsageRecord => ({
  tenant: 'acme',
  owner: 'alice',
  key: 'k1',
  provider: 'openai',
  model: 'gpt-5',
  prompt: 10,
  completion: 5,
  cached: 4,
  cacheWrite: 2,
  reasoning: 1,
  pico: 7n,
  estimated: false,
  aborted: false,
  ...more,
});

function setUp(maxSums = 100) {
  const store = new Memory();
  const lines: Record<string, unknown>[] = [];
  const clock = { now: Date.parse('2026-05-31T23:59:59Z') };
  const log = createLogger({
    service: 't',
    level: 'DEBUG',
    sink: (line) => void lines.push(JSON.parse(line)),
  });
  // Written when the test says so.
  const ledger = new Ledger({ store, log, now: () => clock.now, flushMs: 2 ** 30, maxSums });
  const api = usageApi({ store, now: () => clock.now, flush: () => ledger.flush() });
  const get = (
    who: Partial<Principal>,
    more: { tenant?: string; from?: string; to?: string; groups?: UsageGroup[] } = {},
  ) =>
    api.getUsage(
      { ...anonymous, ...who },
      { from: '', to: '', fromField: 'from', groups: [], tenant: undefined, ...more },
    );
  return { store, lines, clock, ledger, get };
}

test('many answers are one batch for everybody and one for their tenant', async () => {
  const { ledger, store } = setUp();
  for (let i = 0; i < 1_000; i++) ledger.record(record({ model: `m${i % 2}` }));
  await ledger.flush();
  expect(store.batches.map(({ scope, entries }) => [scope, entries.length])).toEqual([
    [null, 7],
    ['acme', 6],
  ]);
  expect((await store.read('acme', '2026-05-31', 'total')).get('')).toEqual({
    requests: 1_000n,
    prompt: 10_000n,
    completion: 5_000n,
    cached: 4_000n,
    cacheWrite: 2_000n,
    reasoning: 1_000n,
    pico: 7_000n,
    unpriced: 0n,
    estimated: 0n,
    aborted: 0n,
  });
  await ledger.flush();
  expect(store.batches).toHaveLength(2);
});

test('an answer counts to the day on which it ended', async () => {
  const { ledger, clock, get } = setUp();
  ledger.record(record());
  clock.now += 1_000;
  ledger.record(record());
  ledger.record(record({ pico: null, estimated: true, aborted: true }));
  const who = { tenant: 'acme' };
  const days = await get(who, {
    from: '2026-05-31',
    to: '2026-06-01',
    groups: [UsageGroup.DAY, UsageGroup.MODEL],
  });
  expect(days.groups[0]?.entries.map(({ name, totals }) => [name, totals?.requests])).toEqual([
    ['2026-05-31', 1n],
    ['2026-06-01', 2n],
  ]);
  expect(days.total).toMatchObject({
    requests: 3n,
    costUsd: '0.000000000014',
    unpriced: 1n,
    estimated: 1n,
    aborted: 1n,
  });
  expect(days.groups[1]?.entries).toMatchObject([{ name: 'gpt-5', totals: { requests: 3n } }]);
  expect((await get(who)).total?.requests).toBe(2n);
});

test('a key sees its own tenant, an administrator all or one', async () => {
  const { ledger, get } = setUp();
  ledger.record(record());
  ledger.record(record({ tenant: 'other', key: 'k2' }));
  const keys = async (asked: ReturnType<typeof get>) =>
    (await asked).groups[0]?.entries.map(({ name }) => name);
  const groups = [UsageGroup.KEY];
  expect(await keys(get({ tenant: 'acme' }, { groups }))).toEqual(['k1']);
  expect(await keys(get({ tenant: 'acme' }, { groups, tenant: 'acme' }))).toEqual(['k1']);
  expect(await keys(get({ admin: true }, { groups }))).toEqual(['k1', 'k2']);
  expect(await keys(get({ admin: true }, { groups, tenant: 'other' }))).toEqual(['k2']);
  expect(await keys(get({ admin: true }, { groups: [UsageGroup.TENANT] }))).toEqual(['acme', 'other']);
  const failure = (await get({ tenant: 'acme' }, { tenant: 'other' }).catch(
    (error: unknown) => error,
  )) as GatewayError;
  expect([failure.status, failure.facts.field]).toEqual([403, 'tenant']);
});

test('what the store does not take is kept, told of once, and written when it is back', async () => {
  const { ledger, store, lines, get } = setUp();
  store.down = true;
  ledger.record(record());
  await ledger.flush();
  ledger.record(record());
  await ledger.flush();
  expect(lines.map(({ level, message }) => [level, message])).toEqual([
    ['WARN', 'totals of usage wait for the store'],
  ]);
  await expect(get({ tenant: 'acme' })).rejects.toThrow('redis is not available');
  store.down = false;
  await ledger.flush();
  await ledger.flush();
  expect((await get({ tenant: 'acme' })).total?.requests).toBe(2n);
  // The first batch was not made anew: its id tells the store that it may have had it already.
  expect(new Set(store.batches.map(({ id }) => id)).size).toBe(store.batches.length);
  expect(lines.at(-1)).toMatchObject({ message: 'totals of usage are written again', lost_requests: 0 });
});

test('what is kept is bounded; what there is no room for is counted as lost', async () => {
  const { ledger, store, lines } = setUp(3);
  store.down = true;
  for (let i = 0; i < 10; i++) ledger.record(record({ key: `k${i}` }));
  ledger.record(record({ key: 'k0' }));
  expect(lines.map(({ message }) => message)).toEqual([
    'usage is not counted any more: too much waits for the store',
  ]);
  store.down = false;
  await ledger.flush();
  expect((await store.read('acme', '2026-05-31', 'total')).get('')?.requests).toBe(4n);
});
