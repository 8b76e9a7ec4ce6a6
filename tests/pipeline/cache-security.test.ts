import { expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { AnswerCache } from '../../src/cache/answer-cache.ts';
import { unknownMembers } from '../../src/codec/unknown-members.ts';
import * as build from '../../src/model/build.ts';
import { createLogger } from '../../src/observability/log.ts';
import { cacheStage } from '../../src/pipeline/cache.ts';
import { type ChatCall, type Handler, pipeline, type Stage } from '../../src/pipeline/call.ts';
import { securityRoundsStage, securityStage } from '../../src/pipeline/security.ts';
import { Screen } from '../../src/security/screening.ts';
import { EmbeddedCache } from '../../src/store/embedded/cache.ts';

const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';
const user = (text: string) => build.message(Role.USER, [build.textPart(text)]);
const route = { provider: { name: 'p' }, upstreamModel: 'up', secure: true, weight: 1, price: 0 } as never;

const newCall = (): ChatCall => ({
  kind: 'chat',
  id: 'r',
  face: 'test',
  principal: anonymous,
  stream: false,
  signal: new AbortController().signal,
  request: build.chatRequest('asked', [user('Hello')]),
  route,
  plan: {
    model: 'asked',
    deployments: [route],
    routing: 'order',
    sticky: false,
    fallbacks: [],
    contextFallbacks: [],
  },
  report: build.callReport('', ''),
});

/** The stages from the first look at texts to the provider, with context management that puts a text in place of what was said. */
function rig(mode: 'route' | 'report', text: string) {
  const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
  const store = new EmbeddedCache({ maxEntries: 9, maxBytes: 2 ** 20 });
  const cache = new AnswerCache({
    store,
    terms: () => ({ ttlMs: 60_000, maxEntryBytes: 2 ** 20, deterministicOnly: false }),
    log,
  });
  const screen = new Screen({ keywords: [], threshold: 0.7 });
  const policy = () => ({ screen, mode, tenants: new Map(), standIns: () => [] });
  const context: Stage = (next) => (call) => {
    call.request = { ...call.request, messages: [user(text)] } as never;
    return next(call);
  };
  const asked: string[] = [];
  const gate = Promise.withResolvers<void>();
  const upstream: Handler = async ({ request, report }) => {
    asked.push(JSON.stringify(request));
    await gate.promise;
    report.model = 'asked';
    const message = build.message(Role.ASSISTANT, [build.textPart('Hi')]);
    return { kind: 'unary', response: build.chatResponse('c', 'm', 1, [build.choice(0, message, 1)]) };
  };
  const stages = [
    securityStage({ policy }),
    context,
    cacheStage({ cache, readOpaque: unknownMembers }),
    securityRoundsStage({ policy }),
  ];
  return { handle: pipeline(stages, upstream), store, asked, gate };
}

test.each(['route', 'report'] as const)(
  'what context management makes sensitive is not kept in mode %s, and whoever rides along is told',
  async (mode) => {
    const { handle, store, asked, gate } = rig(mode, `The key is ${secret}`);
    const calls = [newCall(), newCall()];
    const replies = calls.map((call) => handle(call));
    gate.resolve();
    await Promise.all(replies);
    expect(calls.map(({ report }) => [report.cache, report.sensitivity?.sensitive])).toEqual([
      ['miss', true],
      ['shared', true],
    ]);
    expect((await store.status()).entries).toBe(0);
    await handle(newCall());
    expect(asked).toHaveLength(2);
    expect(asked[0]).toContain(secret);
  },
);

test.each(['route', 'report'] as const)('what stays plain is kept in mode %s', async (mode) => {
  const { handle, store, asked, gate } = rig(mode, 'in short');
  gate.resolve();
  for (let i = 0; i < 2; i++) await handle(newCall());
  expect([asked.length, (await store.status()).entries]).toEqual([1, 1]);
});
