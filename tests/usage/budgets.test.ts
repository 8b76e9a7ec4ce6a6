import { describe, expect, test } from 'vitest';
import { anonymous, type Principal } from '../../src/auth/principal.ts';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import { createLogger } from '../../src/observability/log.ts';
import { unavailable } from '../../src/store/unavailable.ts';
import { type BudgetRule, budgetsOf } from '../../src/usage/budget-rules.ts';
import { Budgets } from '../../src/usage/budgets.ts';
import { beginOf, dayOf, periodOf } from '../../src/usage/days.ts';
import { parseUsd } from '../../src/usage/money.ts';
import type { BudgetStore, Claim, Settlement } from '../../src/usage/store.ts';
import { until } from '../support/redis.ts';

const rule = (more: Partial<BudgetRule>): BudgetRule => ({
  name: 'r',
  usd: 1,
  per: 'day',
  tenant: null,
  owner: null,
  key: null,
  provider: null,
  model: null,
  alertAt: null,
  ...more,
});
const alice: Principal = { ...anonymous, id: 'k1', tenant: 'acme', owner: 'alice' };
const accounts = (rules: BudgetRule[], who = alice, model = 'gpt-5') =>
  budgetsOf(who, 'openai', model, rules).map(({ account }) => account);

describe('the budgets of a call', () => {
  test('are those whose conditions all hold', () => {
    expect(
      accounts([
        rule({ name: 'all' }),
        rule({ name: 'mine', tenant: 'acme', owner: 'alice', key: 'k1' }),
        rule({ name: 'other', tenant: 'acme', owner: 'bob' }),
        rule({ name: 'models', provider: 'openai', model: 'gpt-*' }),
        rule({ name: 'exact', model: 'gpt-5' }),
        rule({ name: 'inner', model: '*p?-5' }),
        rule({ name: 'longer', model: 'gpt-5.*' }),
      ]),
    ).toEqual(['rule/all', 'rule/mine', 'rule/models', 'rule/exact']);
  });

  test('of a star are one for each', () => {
    const each = [rule({ tenant: '*', model: '*' })];
    expect(accounts(each)).toEqual(['rule/r/tenant=acme/model=gpt-5']);
    expect(accounts(each, { ...alice, tenant: 'a/model=b' }, 'c')).toEqual([
      'rule/r/tenant=a%2Fmodel%3Db/model=c',
    ]);
  });

  test('are also that of its key, which no rule of any name is', () => {
    expect(accounts([rule({ name: 'k1' })], { ...alice, budget: { usd: 5, per: 'month' } })).toEqual([
      'key/k1',
      'rule/k1',
    ]);
  });
});

test('times are of UTC', () => {
  const at = Date.parse('2026-12-31T23:59:59.999Z');
  expect(periodOf('day', at)).toEqual({ name: '2026-12-31', endsMs: at + 1 });
  expect(periodOf('month', at)).toEqual({ name: '2026-12', endsMs: at + 1 });
  expect(periodOf('month', at + 1)).toEqual({ name: '2027-01', endsMs: Date.parse('2027-02-01T00:00:00Z') });
  expect(periodOf('total', at)).toEqual({ name: 'total', endsMs: null });
  expect([dayOf(at), beginOf('2026-12-31'), beginOf('2026-02-29'), beginOf('26-01-01')]).toEqual([
    '2026-12-31',
    at - 86_399_999,
    null,
    null,
  ]);
});

/** A store in memory that can be out of order. */
class Memory implements BudgetStore {
  readonly spent = new Map<string, number>();
  readonly settled: Settlement[] = [];
  down = false;

  async reserve(hold: string, claims: readonly Claim[], amount: number) {
    return this.reserveNow(hold, claims, amount);
  }

  async settle(settlement: Settlement) {
    return this.settleNow(settlement);
  }

  reserveNow(_hold: string, claims: readonly Claim[], amount: number) {
    this.#check();
    const index = claims.findIndex(({ account, limit }) => (this.spent.get(account) ?? 0) + amount > limit);
    return index < 0 ? null : { index, spent: this.spent.get(claims[index]!.account) ?? 0, reserved: 0 };
  }

  settleNow(settlement: Settlement) {
    this.#check();
    this.settled.push(settlement);
    return settlement.claims.map(({ account }) => {
      const before = this.spent.get(account) ?? 0;
      this.spent.set(account, before + settlement.amount);
      return { before, after: before + settlement.amount };
    });
  }

  async read() {
    return [];
  }

  #check(): void {
    if (this.down) throw unavailable('redis', 'test');
  }
}

/** One that is not waited for. */
class AtOnce implements BudgetStore {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  reserve(hold: string, claims: readonly Claim[], amount: number) {
    return this.#memory.reserveNow(hold, claims, amount);
  }

  settle(settlement: Settlement) {
    return this.#memory.settleNow(settlement);
  }

  read() {
    return this.#memory.read();
  }
}

function setUp(rules: BudgetRule[], atOnce = false) {
  const store = new Memory();
  const lines: Record<string, unknown>[] = [];
  const clock = { now: Date.parse('2026-05-31T23:59:00Z') };
  const budgets = new Budgets({
    store: atOnce ? new AtOnce(store) : store,
    terms: () => ({ rules, alertAt: [50, 100], leaseMs: 1_000 }),
    log: createLogger({ service: 't', level: 'DEBUG', sink: (line) => void lines.push(JSON.parse(line)) }),
    now: () => clock.now,
    retryMs: 1,
  });
  const usd = (text: string) => parseUsd(text) as bigint;
  const spend = async (text: string, who = alice) => {
    const hold = await budgets.reserve(budgets.of(who, 'openai', 'gpt-5'), usd(text));
    budgets.settle(hold, usd(text));
    await budgets.flush();
  };
  return { store, lines, clock, budgets, spend, usd };
}

const messageOf = (failing: Promise<unknown>) =>
  failing.then(
    () => 'passed',
    (error: GatewayError) => error.rawMessage,
  );

test('a new day has its budget anew', async () => {
  const { spend, clock, store } = setUp([
    rule({ name: 'day' }),
    rule({ name: 'month', per: 'month', usd: 1.5 }),
  ]);
  await spend('1');
  expect(await messageOf(spend('0.1'))).toBe('budget day is exhausted; it renews at 2026-06-01T00:00:00Z');
  clock.now += 60_000;
  await spend('1');
  expect([...store.spent.keys()]).toEqual([
    'rule/day/2026-05-31',
    'rule/month/2026-05',
    'rule/day/2026-06-01',
    'rule/month/2026-06',
  ]);
});

test('a call is settled in the time in which it began', async () => {
  const { budgets, store, clock, usd } = setUp([rule({})]);
  const hold = await budgets.reserve(budgets.of(alice, 'openai', 'm'), usd('0.5'));
  clock.now += 120_000;
  budgets.settle(hold, usd('0.2'));
  await budgets.flush();
  expect([...store.spent]).toEqual([['rule/r/2026-05-31', 200_000_000]]);
});

test('who has a budget of their own is told how it stands; of a common one only that it is used up', async () => {
  const own = setUp([]);
  const who: Principal = { ...alice, budget: { usd: 1, per: 'total' } };
  await own.spend('0.75', who);
  expect(await messageOf(own.spend('0.5', who))).toBe(
    'budget of key k1 ($1 in total) is exhausted: $0.75 are spent, $0 set aside for calls under way, and this call may cost $0.5; it does not renew',
  );
  const common = setUp([rule({ name: 'common' })]);
  await common.spend('0.75');
  expect(await messageOf(common.spend('0.5'))).not.toContain('$');
});

test('nothing is asked where there is no budget', () => {
  expect(setUp([]).budgets.of(alice, 'openai', 'm')).toEqual([]);
});

test.each([false, true])(
  'what the store does not take is settled later, once; answering at once: %s',
  async (atOnce) => {
    const { budgets, store, usd } = setUp([rule({})], atOnce);
    const applied = budgets.of(alice, 'openai', 'm');
    const holds = [await budgets.reserve(applied, usd('0.1')), await budgets.reserve(applied, usd('0.1'))];
    store.down = true;
    for (const hold of holds) budgets.settle(hold, usd('0.1'));
    await budgets.flush();
    expect(store.settled).toEqual([]);
    expect(await messageOf(Promise.resolve(budgets.reserve(applied, 1n)))).toContain(
      'redis is not available',
    );
    store.down = false;
    // Who does not answer may have set it aside; who fails at once has not.
    const settled = [100_000_000, 100_000_000, ...(atOnce ? [] : [0])];
    await until(() => store.settled.length === settled.length);
    await budgets.flush();
    expect(store.settled.map(({ amount }) => amount)).toEqual(settled);
    budgets.close();
  },
);

test.each([false, true])('each share is told of once; answering at once: %s', async (atOnce) => {
  const { spend, lines } = setUp([rule({})], atOnce);
  for (const text of ['0.4', '0.1', '0.1', '0.4']) await spend(text);
  expect(lines.map(({ percent, spent_usd: spent }) => [percent, spent])).toEqual([
    [50, '0.5'],
    [100, '1'],
  ]);
});

test('calls that an outage refuses push out no money that was spent', async () => {
  const { budgets, store, lines, usd } = setUp([rule({})]);
  const applied = budgets.of(alice, 'openai', 'm');
  const hold = await budgets.reserve(applied, usd('0.1'));
  store.down = true;
  for (let i = 0; i < 10_500; i++) await Promise.resolve(budgets.reserve(applied, 1n)).catch(() => {});
  budgets.settle(hold, usd('0.1'));
  store.down = false;
  await until(() => store.settled.some(({ amount }) => amount === 100_000_000));
  expect(lines.filter(({ message }) => String(message).includes('not counted any more'))).toEqual([]);
  budgets.close();
});

describe('owners of the same name', () => {
  test('in several tenants have a budget each', () => {
    const other: Principal = { ...alice, tenant: 'umbrella' };
    for (const owner of ['*', 'alice']) {
      const [here] = accounts([rule({ owner })]);
      const [there] = accounts([rule({ owner })], other);
      expect(here).toContain('tenant=acme');
      expect(there).toContain('tenant=umbrella');
    }
    expect(accounts([rule({ owner: 'alice', tenant: '*' })])).toEqual(['rule/r/tenant=acme']);
  });

  test('share what the issuer of their tokens grants, whoever they are', () => {
    const budget = { usd: 1, per: 'day', issuer: 'https://login' } as const;
    const of = (id: string, tenant = 'acme') => accounts([], { ...alice, id, tenant, budget });
    expect(of('https://login|a')).toEqual(of('https://login|b'));
    expect(of('https://login|a', 'umbrella')).not.toEqual(of('https://login|a'));
  });
});
