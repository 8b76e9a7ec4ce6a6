import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import type { LimitTerms } from '../../src/limits/classes.ts';
import { Limits } from '../../src/limits/limits.ts';
import { MemoryLimits } from '../../src/limits/memory-store.ts';
import type { Account, Claim, LimitStore } from '../../src/limits/store.ts';
import * as build from '../../src/model/build.ts';
import { createLogger } from '../../src/observability/log.ts';
import { type Call, type Handler, pipeline, type Reply, type Stage } from '../../src/pipeline/call.ts';
import { admittedStage, providerLimitsStage } from '../../src/pipeline/limits.ts';
import { rule } from '../store/support/limit-suite.ts';

const account: Account = { name: 'provider:shop', rule: rule({ requestsPerMinute: 1, concurrent: 1 }) };
const terms: LimitTerms = {
  classes: new Map([['default', rule()]]),
  users: new Map(),
  eachKey: null,
  providers: new Map([['shop', account.rule]]),
  global: null,
  usualOutput: 1,
  outageShare: 100,
};

/** A store that answers when the test says so. */
function slowStore() {
  const memory = new MemoryLimits();
  let answer = (): void => {};
  const store: LimitStore = {
    leaseMs: 30_000,
    take: (claim: Claim) =>
      new Promise((resolve) => {
        answer = () => resolve(memory.take(claim));
      }),
    settle: async (settlement) => memory.settle(settlement),
    renew: () => {},
    read: (accounts) => memory.read(accounts),
    names: () => memory.names(),
    reset: (names) => memory.reset(names),
  };
  return { store, memory, answer: () => answer() };
}

const callOf = (): Call => ({
  kind: 'embeddings',
  id: 'r',
  face: 'test',
  principal: anonymous,
  stream: false,
  signal: new AbortController().signal,
  request: { inputs: [] } as never,
  route: { provider: { name: 'shop' }, upstreamModel: 'm' } as never,
  report: build.callReport('', ''),
});

const reply: Reply = { kind: 'embeddings', response: {} as never };

describe('limits of a provider', () => {
  const start = (between: Stage, last: Handler) => {
    const slow = slowStore();
    const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
    const limits = new Limits({ store: slow.store, terms: () => terms, log });
    return { ...slow, limits, handle: pipeline([providerLimitsStage(limits), between, admittedStage], last) };
  };

  test('are asked for at the same time as what comes after them; the provider only afterwards', async () => {
    const seen: string[] = [];
    const { handle, answer, memory, limits } = start(
      (next) => (call) => {
        seen.push('budget');
        return next(call);
      },
      async () => {
        seen.push('provider');
        return reply;
      },
    );
    const answered = handle(callOf());
    expect(seen).toEqual(['budget']);
    answer();
    expect(await answered).toBe(reply);
    expect(seen).toEqual(['budget', 'provider']);
    await limits.flush();
    expect(memory.read([account])[0]).toMatchObject({ used: [0, 1, 0, 0], inFlight: 0 });
  });

  test.each([
    ['refuses first', (refusal: Error) => Promise.reject(refusal)],
    [
      'throws at once',
      (refusal: Error) => {
        throw refusal;
      },
    ],
  ])('are given back when what comes after them %s', async (_what, refuse) => {
    const refusal = new GatewayError(ErrorReason.BUDGET_EXHAUSTED, 'no money');
    const { handle, answer, memory, limits } = start(
      () => () => refuse(refusal),
      () => expect.unreachable('nobody is asked'),
    );
    const answered = handle(callOf());
    answered.catch(() => {});
    await new Promise(setImmediate);
    answer();
    await expect(answered).rejects.toBe(refusal);
    await limits.flush();
    expect(memory.read([account])[0]).toMatchObject({ used: [0, 0, 0, 0], inFlight: 0 });
  });
});
