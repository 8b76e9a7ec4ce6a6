import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classMap } from '../../src/config/limits.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Wrong } from '../../src/config/values.ts';
import { type LimitTerms, shareOf } from '../../src/limits/classes.ts';
import { Limits } from '../../src/limits/limits.ts';
import { MemoryLimits } from '../../src/limits/memory-store.ts';
import type { Account, LimitRule } from '../../src/limits/store.ts';
import { shownTime } from '../../src/model/limit-headers.ts';
import { createLogger } from '../../src/observability/log.ts';
import { rule } from '../store/support/limit-suite.ts';

const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const terms: LimitTerms = {
  classes: new Map([['default', rule()]]),
  users: new Map(),
  eachKey: null,
  providers: new Map(),
  global: null,
  usualOutput: 100,
  outageShare: 100,
};

describe('a sliding window', () => {
  test('never has more than the limit at any time, and refuses only when it is full to a step', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.integer({ min: 0, max: 12_000 }), { minLength: 1, maxLength: 200 }),
        (limit, gaps) => {
          let now = 1_800_000_000_000;
          const store = new MemoryLimits(() => now);
          const accounts: Account[] = [{ name: 'a', rule: rule({ requestsPerMinute: limit }) }];
          const passed: number[] = [];
          for (const gap of gaps) {
            now += gap;
            const within = (ms: number): number => passed.filter((at) => at > now - ms).length;
            const { refusal } = store.take({ id: '', accounts, tokens: 0 });
            if (refusal === null) {
              expect(within(60_000)).toBeLessThan(limit);
              passed.push(now);
            } else expect(within(60_051)).toBe(limit);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('costs little, and the same when it is full', () => {
    const limits = new Limits({ store: new MemoryLimits(), terms: () => terms, log });
    const all: LimitRule = rule({
      burst: 1e6,
      requestsPerMinute: 1e6,
      requestsPerHour: 1e6,
      tokensPerMinute: 1e9,
      concurrent: 100,
    });
    const accounts = ['owner:a', 'global'].map((name) => ({ name, rule: all }));
    const run = (calls: number): number => {
      const began = performance.now();
      for (let i = 0; i < calls; i++) {
        const permit = limits.take(accounts, 1_000);
        if (permit instanceof Promise) throw new Error('memory is asked at once');
        permit.used(100);
        permit.end('counted');
      }
      return ((performance.now() - began) * 1_000) / calls;
    };
    run(20_000);
    const micros = Math.min(...Array.from({ length: 5 }, () => run(20_000)));
    expect(micros).toBeLessThan(10);
  });
});

describe('a permit', () => {
  const accounts: Account[] = [{ name: 'a', rule: rule({ tokensPerMinute: 1_000, concurrent: 1 }) }];

  test('is ended once, and tokens that come late still count', () => {
    const store = new MemoryLimits();
    const limits = new Limits({ store, terms: () => terms, log });
    const permit = limits.take(accounts, 100);
    if (permit instanceof Promise) throw new Error('memory is asked at once');
    permit.used(10);
    permit.end('counted');
    permit.end('uncounted');
    expect(store.read(accounts)[0]).toMatchObject({ used: [0, 0, 0, 10], inFlight: 0 });
    permit.used(7);
    expect(store.read(accounts)[0]?.used).toEqual([0, 0, 0, 17]);
  });
});

test('a share of a rule leaves at least one of what is limited', () => {
  expect(shareOf(rule({ burst: 1, requestsPerMinute: 60, cooldownMs: 5 }), 50)).toEqual(
    rule({ burst: 1, requestsPerMinute: 30, cooldownMs: 5 }),
  );
});

test.each([
  [0, '0s'],
  [20, '20ms'],
  [1_000, '1s'],
  [1_500, '1.5s'],
  [60_000, '1m0s'],
  [360_000, '6m0s'],
  [3_600_000, '1h0m0s'],
  [5_025_250, '1h23m45.25s'],
])('%i ms are told as %s', (ms, text) => expect(shownTime(ms)).toBe(text));

describe('the configuration of limits', () => {
  const load = (yaml: string, env: Record<string, string> = {}) =>
    loadConfig({ env, cwd: '/', readFile: (file) => (file.endsWith('gateway.yaml') ? yaml : missing()) });
  const missing = (): never => {
    throw Object.assign(new Error('no'), { code: 'ENOENT' });
  };

  test('says nothing by itself, and has the classes', () => {
    const { limits } = load('');
    expect(limits.given).toBe(false);
    expect(limits.classes).toMatchObject({
      default: {
        requestsPerMinute: 60,
        requestsPerHour: 1_000,
        tokensPerMinute: 50_000,
        burst: 10,
        cooldownMs: 60_000,
      },
      premium: {
        requestsPerMinute: 120,
        requestsPerHour: 5_000,
        tokensPerMinute: 200_000,
        burst: 20,
        cooldownMs: 30_000,
      },
      enterprise: {
        requestsPerMinute: 300,
        requestsPerHour: 20_000,
        tokensPerMinute: 1_000_000,
        burst: 50,
        cooldownMs: 15_000,
      },
    });
    expect(limits).toMatchObject({ providers: {}, global: null, eachKey: null });
  });

  test('takes the environment over the file over what is built in', () => {
    const { limits, limitUsers } = load(
      `limits:
  classes: { default: { requests_per_minute: 5, burst_limit: 3 }, own: { requests_per_hour: 7 } }
  providers: { openai: { burst_limit: 9 } }
  users: { alice: own }
`,
      {
        LLM_GATEWAY_RATE_LIMIT_REQUESTS_PER_MINUTE: '6',
        LLM_GATEWAY_RATE_LIMIT_COOLDOWN_SECONDS: '5',
        LLM_GATEWAY_RATE_LIMIT_GLOBAL_REQUESTS_PER_MINUTE: '1000',
        LLM_GATEWAY_RATE_LIMIT_USER_CLASSES: 'bob=premium, carol=enterprise',
      },
    );
    expect(limits.given).toBe(true);
    expect(limits.classes['default']).toMatchObject({
      requestsPerMinute: 6,
      burst: 3,
      cooldownMs: 5_000,
      requestsPerHour: 1_000,
    });
    expect(limits.classes['own']).toEqual({
      requestsPerMinute: 0,
      requestsPerHour: 7,
      tokensPerMinute: 0,
      burst: 0,
      cooldownMs: 0,
      concurrent: 0,
    });
    expect(limits.providers['openai']).toMatchObject({ requestsPerMinute: 50, burst: 9 });
    expect(limits.global?.requestsPerMinute).toBe(1_000);
    expect({ ...limitUsers }).toEqual({ bob: 'premium', carol: 'enterprise' });
  });

  test.each([
    ['limits: { classes: { default: { requests: 1 } } }', 'limits.classes.default.requests'],
    ['limits: { providers: { opnai: {} } }', 'limits.providers.opnai'],
    ['limits: { users: { alice: gold } }', 'has class "gold", which is not there'],
    ['limits: { global: { requests_per_minute: -1 } }', 'limits.global.requests_per_minute'],
    ['limits: { classes: 5 }', 'limits.classes'],
    [
      '{ limits: { global: { requests_per_minute: 1 } }, usage: { enabled: false } }',
      'limits: need usage.enabled',
    ],
  ])('%s is a mistake', (yaml, said) => expect(() => load(yaml)).toThrow(said));

  test.each(['alice', '=premium', 'alice=', 'a b=c', 5])('%s is no map of classes', (raw) =>
    expect(classMap(raw)).toBeInstanceOf(Wrong),
  );
});
