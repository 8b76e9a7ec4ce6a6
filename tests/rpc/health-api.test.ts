import { afterEach, expect, test } from 'vitest';
import { anonymous } from '../../src/auth/principal.ts';
import { Checks } from '../../src/health/checks.ts';
import { createLogger } from '../../src/observability/log.ts';
import { MemoryWatch } from '../../src/overload/memory.ts';
import { type HealthParts, healthApi } from '../../src/rpc/health-api.ts';

const log = createLogger({ service: 'test', level: 'INFO', sink: () => {} });
let memory: MemoryWatch;
afterEach(() => memory.close());

test('those who have to be asked are all asked at the same time', async () => {
  memory = new MemoryWatch({ bounds: () => ({ hardBytes: 2 ** 40, softShare: 0.8 }), log });
  const { promise: allAsked, resolve } = Promise.withResolvers<void>();
  const asked: string[] = [];
  /** Answers when all have been asked. */
  const once = async <T>(name: string, value: T): Promise<T> => {
    asked.push(name);
    if (asked.length === 4) resolve();
    await allAsked;
    return value;
  };
  const check = { name: 'store', critical: true, run: () => once('checks', undefined) };
  const parts: HealthParts = {
    numbers: () => once('numbers', { cache: null, limiter: null, integrations: [] }),
    service: 'test',
    version: '1',
    environment: 'test',
    serving: { serving: true },
    checks: new Checks({ checks: () => [check], timeoutMs: () => 2_000, log }),
    memory,
    keysNeeded: () => false,
    loads: () => once('loads', []),
    modelsAvailable: () => 1,
    backend: () => 'api',
    cache: () => 'disabled',
    cliPool: () => once('pool', null),
    inferenceModels: () => null,
    providers: () => [],
    breakers: () => [],
  };
  const { checks } = await healthApi(parts).detailed(anonymous);
  expect(asked.toSorted()).toEqual(['checks', 'loads', 'numbers', 'pool']);
  expect(checks).toMatchObject([{ name: 'store', healthy: true }]);
});
