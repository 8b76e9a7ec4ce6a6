import { expect, test } from 'vitest';
import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import * as build from '../../src/model/build.ts';
import * as buildEvent from '../../src/model/build-events.ts';
import { type EventStream, eventsOf, primed, tapEvents } from '../../src/model/events.ts';
import type { Call } from '../../src/pipeline/call.ts';
import { usageStage } from '../../src/pipeline/usage.ts';
import type { Pricing } from '../../src/usage/price.ts';

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

test.each([
  ['of the prompt alone', build.usage(100, 1, { cachedTokens: 90, estimated: true }), [100, 4]],
  ['of output alone', build.usage(0, 9, { estimated: true }), [4, 9]],
  ['that is final', build.usage(100, 2, { cachedTokens: 90 }), [100, 2]],
  ['nowhere', undefined, [4, 4]],
])(
  'budgets, limits, totals and metrics get what was said %s of an answer that is left',
  async (_of, said, counts) => {
    const events = eventsOf([
      [buildEvent.started('i', 'm', 0), buildEvent.delta(0, 0, 'one two three four')],
      [],
    ]);
    const held: EventStream = {
      next: () => events.next(),
      return: () => events.return(),
      usageSoFar: () => said,
    };
    const told: Record<string, unknown> = {};
    const priced: Pick<Pricing, 'cost' | 'most'> = {
      most: () => 0n,
      cost: ({ uncached, cacheRead, output }) => BigInt(uncached * 100 + cacheRead * 10 + output * 1_000),
    };
    const stage = usageStage({
      prices: () => ({ of: () => ({ model: 'm', price: priced }) }) as never,
      budgets: {
        of: () => [{}],
        reserve: () => ({ id: 'h' }),
        settle: (_hold: unknown, pico: bigint) => void (told['settled'] = pico),
      } as never,
      ledger: { record: (record: object) => void (told['recorded'] = record) } as never,
      usualOutput: () => 1,
      onUsed: (_call, usage, pico) =>
        void (told['counted'] = [usage.promptTokens, usage.completionTokens, pico]),
    });
    // As what passes on its way from the provider.
    const passed = tapEvents(await primed(tapEvents(held, {})), {});
    const reply = await stage(() => Promise.resolve({ kind: 'stream', events: passed }))({
      kind: 'chat',
      principal: anonymous,
      request: build.chatRequest('m', [build.message(Role.USER, [build.textPart('Hi')])]),
      route: { provider: { name: 'shop' }, upstreamModel: 'm' },
      report: build.callReport('', ''),
      used: ({ promptTokens, completionTokens }: Usage) =>
        void (told['limited'] = [promptTokens, completionTokens]),
    } as unknown as Call);
    if (reply.kind !== 'stream') throw new Error('no stream');
    await reply.events.next();
    await reply.events.return();
    const [prompt = 0, completion = 0] = counts;
    const cached = said?.cachedTokens ?? 0;
    const pico = BigInt((prompt - cached) * 100 + cached * 10 + completion * 1_000);
    expect(told).toMatchObject({
      settled: pico,
      counted: [prompt, completion, pico],
      limited: [prompt, completion],
      recorded: { prompt, completion, cached, pico, aborted: true, estimated: said?.estimated !== false },
    });
  },
);
