import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { callFace } from '../support/faces.ts';
import { chatClient } from '../support/gateway.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';
import { until } from '../support/redis.ts';
import { ask, fails, type Rig, type Script, startRig } from '../support/resilience.ts';

/** A provider that takes no key any more. */
let keyless: JsonServer;
const rigs: Rig[] = [];
let rig: Rig;
let cached: Rig;
beforeAll(async () => {
  keyless = await startJsonServer({
    '/chat/completions': (_, response) => send(response, 401, { error: { message: 'no' } }),
  });
  const yaml = `    unsupported: [seed, logit_bias]
  keyless: { base_url: "${keyless.origin}", api_keys: [planted-provider-key-a, planted-provider-key-b] }
deployments:
  hedged: { hedge: 50ms, models: [east/h, west/h] }
  locked: { models: [keyless/m, east/m] }
`;
  const env = {
    LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '1',
    LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '30s',
    LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '30s',
    LLM_GATEWAY_HEDGE_BUDGET_PERCENT: '100',
  };
  rig = await startRig(yaml, env);
  cached = await startRig(yaml, { ...env, LLM_GATEWAY_CACHE: 'true' });
  rigs.push(rig, cached);
});
afterAll(async () => {
  for (const one of rigs) await one.stop();
  keyless?.close();
});
beforeEach(() => {
  for (const one of rigs) one.heal();
});
afterEach(() => {
  for (const one of rigs) one.log.length = 0;
});

const slow: Script = () => {};
const late =
  (ms: number, script: Script): Script =>
  (request, stream) =>
    void setTimeout(() => script(request, stream), ms);

/** The log's line of the call that was asked last. */
async function lineOf({ log }: Rig): Promise<Record<string, unknown>> {
  await until(() => log.some(({ module }) => module === 'calls'));
  return log.findLast(({ module }) => module === 'calls') as Record<string, unknown>;
}
const headersOf = ({ headers }: Response, ...names: string[]) => names.map((name) => headers.get(name));

describe('the winner keeps what was dropped for it', () => {
  beforeEach(() => {
    rig.east.script = slow;
  });

  test.each([false, true])('in headers (streamed: %s)', async (stream) => {
    const response = await ask(rig, { model: 'hedged', stream, seed: 1, logit_bias: { 5: 1 } });
    expect(await response.text()).toContain('west');
    expect(headersOf(response, 'x-provider-used', 'x-dropped-params')).toEqual(['west', 'seed, logit_bias']);
  });

  test('in fields of RPC', async () => {
    const client = chatClient('gRPC', rig.url);
    const messages = [build.message(Role.USER, [build.textPart('Hello')])];
    const parameters = build.parameters({ seed: 1, logitBias: { '5': 1 } });
    const told = { provider: 'west', droppedParams: ['seed', 'logit_bias'] };
    const whole = await client.createChatCompletion({ model: 'hedged', messages, parameters });
    expect(whole.callReport).toMatchObject(told);
    const reports = [];
    for await (const { event } of client.streamChatCompletion({ model: 'hedged', messages, parameters })) {
      if (event.case === 'started' || event.case === 'finished') reports.push(event.value.callReport);
    }
    expect(reports).toMatchObject([told, told]);
  });
});

describe.each([
  ['without a cache', () => rig],
  ['with one', () => cached],
] as const)('a call that comes to nothing while two are asked, %s', (_, rigOf) => {
  test('has in the log whom the client is told of when both fail', async () => {
    const one = rigOf();
    one.east.script = late(100, fails('401 Unauthorized'));
    one.west.script = late(100, fails('401 Unauthorized'));
    const response = await ask(one, { model: 'hedged' });
    expect(headersOf(response, 'x-provider-used', 'x-attempts')).toEqual(['east', '2']);
    expect(await lineOf(one)).toMatchObject({ provider: 'east', upstream_model: 'h', attempts: 2 });
  });

  test('and when its time is up', async () => {
    const one = rigOf();
    one.east.script = slow;
    one.west.script = slow;
    const response = await ask(one, { model: 'hedged' }, { 'x-request-timeout-ms': '300' });
    expect(response.status).toBe(504);
    expect(headersOf(response, 'x-provider-used', 'x-attempts')).toEqual(['east', '2']);
    expect(await lineOf(one)).toMatchObject({ provider: 'east', upstream_model: 'h', attempts: 2 });
  });

  test('has who was asked last when its client leaves', async () => {
    const one = rigOf();
    one.east.script = slow;
    one.west.script = slow;
    const leaving = new AbortController();
    const call = callFace('REST', one.url, 'hedged', { stream: true, signal: leaving.signal });
    await until(() => one.west.asked.length === 1);
    leaving.abort();
    await call;
    expect(await lineOf(one)).toMatchObject({
      status: 'cancelled',
      provider: 'west',
      upstream_model: 'h',
      attempts: 2,
    });
  });
});

describe('with a cache, a client whose time is up', () => {
  const timed = (ms: number, body: Record<string, unknown> = {}) =>
    ask(cached, { model: 'east/m', ...body }, { 'x-request-timeout-ms': String(ms) });

  test('is told who had it, and what was tried', async () => {
    cached.east.script = fails('500 Internal Server Error');
    cached.west.script = slow;
    const response = await timed(300, { fallbacks: ['west/m'] });
    expect(headersOf(response, 'x-provider-used', 'x-attempts')).toEqual(['west', '2']);
    expect(response.status).toBe(504);
  });

  test.each([false, true])('and so are all who have waited with it (streamed: %s)', async (stream) => {
    cached.east.script = slow;
    const calls = [timed(300, { stream }), timed(500, { stream }), timed(700, { stream })];
    for (const response of await Promise.all(calls)) {
      expect(response.status).toBe(504);
      expect(headersOf(response, 'x-provider-used', 'x-attempts')).toEqual(['east', '1']);
    }
    expect(cached.east.asked).toHaveLength(1);
    await until(() => cached.log.filter(({ module }) => module === 'calls').length === 3);
    const lines = cached.log.filter(({ module }) => module === 'calls');
    expect(lines.map(({ provider, upstream_model }) => [provider, upstream_model])).toEqual(
      Array(3).fill(['east', 'm']),
    );
  });

  test('is told of earlier tries, although others go on waiting', async () => {
    cached.east.script = fails('500 Internal Server Error');
    cached.west.script = slow;
    const others = timed(600, { fallbacks: ['west/m'] });
    await until(() => cached.west.asked.length === 1);
    const response = await timed(200, { fallbacks: ['west/m'] });
    expect(headersOf(response, 'x-provider-used', 'x-attempts')).toEqual(['west', '2']);
    await others;
    expect(cached.west.asked).toHaveLength(1);
  });
});

test('a provider all of whose keys are set aside is not asked, and not counted as asked', async () => {
  const requests = async (): Promise<string | undefined> => {
    const text = await (await fetch(`${rig.url}/metrics`)).text();
    return /^llm_gateway_provider_requests_total\{provider="keyless"\} (\d+)/m.exec(text)?.[1];
  };
  const first = await ask(rig, { model: 'locked' });
  expect(headersOf(first, 'x-provider-used', 'x-attempts')).toEqual(['east', '2']);
  expect([keyless.got.length, await requests()]).toEqual([2, '1']);
  const second = await ask(rig, { model: 'locked' });
  expect(headersOf(second, 'x-provider-used', 'x-attempts')).toEqual(['east', '1']);
  const third = await ask(rig, { model: 'keyless/m' });
  expect([third.status, ...headersOf(third, 'x-provider-used', 'x-attempts')]).toEqual([502, 'keyless', '0']);
  expect([keyless.got.length, await requests()]).toEqual([2, '1']);
});
