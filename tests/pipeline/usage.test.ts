import { expect, test } from 'vitest';
import { anonymous } from '../../src/auth/principal.ts';
import * as build from '../../src/model/build.ts';
import type { Call } from '../../src/pipeline/call.ts';
import { usageStage } from '../../src/pipeline/usage.ts';

test.each([false, true])(
  'what was set aside is given back when what comes after throws at once (store that answers later: %s)',
  async (later) => {
    const hold = { id: 'h' };
    const settled: unknown[] = [];
    const stage = usageStage({
      prices: () => ({ of: () => ({ model: 'm', price: null }) }) as never,
      budgets: {
        of: () => [{}],
        reserve: () => (later ? Promise.resolve(hold) : hold),
        settle: (...what: unknown[]) => void settled.push(what),
      } as never,
      ledger: {} as never,
      usualOutput: () => 1,
    });
    const handle = stage(() => {
      throw new Error('at once');
    });
    const call = {
      kind: 'embeddings',
      principal: anonymous,
      request: { inputs: [] },
      route: { provider: { name: 'shop' }, upstreamModel: 'm' },
      report: build.callReport('', ''),
    } as unknown as Call;
    await expect(async () => handle(call)).rejects.toThrow('at once');
    expect(settled).toEqual([[hold, 0n]]);
  },
);
