import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { UsageGroup, UsageService } from '../../gen/llmgateway/v1/usage_service_pb.js';
import type { OwnParts } from '../../src/context/gateway.ts';
import { chunked, STREAM_HEAD } from '../http/support/upstream.ts';
import { callFace, chatFaces, type Face, faces } from '../support/faces.ts';
import {
  anthropicClient,
  chatClient,
  type RpcFace,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { testToolbox } from '../support/toolbox.ts';

const dayMs = 86_400_000;

let model: ScriptedModel;
let folder: string;
const running: RunningGateway[] = [];
beforeAll(async () => {
  model = await startModel();
  folder = mkdtempSync(path.join(tmpdir(), 'usage-'));
});
afterEach(async () => {
  model.script = [];
  for (const gateway of running.splice(0)) await gateway.stop();
});
afterAll(() => {
  model?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A gateway before a model that costs a cent for a token of input and two for one of output. */
async function start(
  more = '',
  env: Record<string, string> = {},
  parts: OwnParts = {},
): Promise<RunningGateway> {
  const file = path.join(folder, `gateway-${running.length}.yaml`);
  writeFileSync(
    file,
    `providers:
  shop: { base_url: "${model.upstream.origin}/v1", api_key: k }
models:
  - { id: shop/dear, provider: shop, price: { input: 10000, output: 20000 } }
${more}`,
  );
  const gateway = await startGateway({ LLM_GATEWAY_CONFIG: file, ...env }, parts);
  running.push(gateway);
  return gateway;
}

interface Totals {
  requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost_usd: string;
  unpriced: number;
  estimated: number;
  aborted: number;
}
type UsageBody = { date?: string; total: Totals } & Record<string, Record<string, Totals>>;

const usageOf = async ({ url }: RunningGateway, query = ''): Promise<UsageBody> =>
  (await fetch(`${url}/v1/usage${query}`)).json() as Promise<UsageBody>;

const ask = (gateway: RunningGateway, body: object = {}, route = 'chat/completions') =>
  fetch(`${gateway.url}/v1/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'shop/dear', messages: [{ role: 'user', content: 'Hi' }], ...body }),
  });

const usage = (prompt: number, completion: number) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
});

describe('cost', () => {
  test('is told in a header, on RPC and by the log', async () => {
    const gateway = await start();
    model.script = [
      { text: 'a', usage: usage(3, 2) },
      { text: 'a', usage: usage(3, 2) },
    ];
    const reply = await ask(gateway);
    expect(reply.headers.get('x-cost-usd')).toBe('0.07');
    const { callReport } = await chatClient('gRPC', gateway.url).createChatCompletion({
      model: 'shop/dear',
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text', value: { text: 'Hi' } } }] }],
    });
    expect(callReport).toMatchObject({ costUsd: '0.07', costEstimated: false, costIncomplete: false });
    const lines = gateway.log.filter(({ message }) => message === 'call');
    expect(lines.map((line) => line['cost_usd'])).toEqual(['0.07', '0.07']);
  });

  test('comes with the last event of a stream', async () => {
    const gateway = await start();
    model.script = [{ text: 'a', usage: usage(3, 2) }];
    let cost = '';
    const stream = chatClient('Connect over HTTP/2', gateway.url).streamChatCompletion({
      model: 'shop/dear',
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text', value: { text: 'Hi' } } }] }],
    });
    for await (const { event } of stream) {
      if (event.case === 'finished') cost = event.value.callReport?.costUsd ?? '';
    }
    expect(cost).toBe('0.07');
  });

  test('of a model without a price is not told, and not taken for 0', async () => {
    const gateway = await start();
    model.script = [{ text: 'a', usage: usage(3, 2) }];
    const reply = await ask(gateway, { model: 'shop/cheap' });
    expect([reply.status, reply.headers.get('x-cost-usd')]).toEqual([200, null]);
    const { total, models } = await usageOf(gateway);
    expect(total).toMatchObject({ requests: 1, prompt_tokens: 3, unpriced: 1, cost_usd: '0' });
    expect(Object.keys(models!)).toEqual(['shop/cheap']);
  });

  test('of a model without a price is by the default price, where there is one', async () => {
    const gateway = await start('usage: { default_price: { input: 1, output: 2 } }');
    model.script = [{ text: 'a', usage: usage(3, 2) }];
    expect((await ask(gateway, { model: 'shop/cheap' })).headers.get('x-cost-usd')).toBe('0.000007');
  });

  test.each([
    ['whole', false],
    ['streamed', true],
  ])('of all rounds of a tool loop is summed up, %s', async (_how, stream) => {
    const gateway = await start('', {}, { toolbox: testToolbox() });
    model.script = [
      { calls: [['c1', 'add', '{"a":1,"b":2}']], usage: usage(3, 2) },
      { text: 'three', usage: usage(5, 1) },
    ];
    const reply = await ask(gateway, { gateway_tools: ['add'], stream });
    expect(await reply.text()).toContain(stream ? '"ee"' : 'three');
    expect(reply.headers.get('x-cost-usd')).toBe(stream ? null : '0.14');
    expect((await usageOf(gateway)).total).toMatchObject({ requests: 2, prompt_tokens: 8, cost_usd: '0.14' });
    expect(gateway.log.find(({ message }) => message === 'call')).toMatchObject({ cost_usd: '0.14' });
  });

  test('is told of vectors and of messages, too', async () => {
    const gateway = await start();
    model.script = [{ text: 'a', usage: usage(3, 2) }];
    const { response } = await anthropicClient(gateway.url)
      .messages.create({ model: 'shop/dear', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] })
      .withResponse();
    expect(response.headers.get('x-cost-usd')).toBe('0.07');
    const vectors = await ask(
      gateway,
      { model: 'fake/embed', input: 'Hi', messages: undefined },
      'embeddings',
    );
    expect(vectors.headers.get('x-cost-usd')).toBe('0');
  });

  test('nothing is counted where that is off', async () => {
    const gateway = await start('', { LLM_GATEWAY_USAGE: 'false' });
    model.script = [{ text: 'a', usage: usage(3, 2) }];
    expect((await ask(gateway)).headers.get('x-cost-usd')).toBeNull();
    expect((await usageOf(gateway)).total.requests).toBe(0);
  });
});

/** A stream that says some words and then nothing more, or breaks off. */
const halfAnswer =
  (then: 'hang' | 'break', onSent: () => void = () => {}) =>
  ({ socket }: { socket: import('node:net').Socket }): void => {
    const chunk = (delta: object) =>
      chunked(`data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta }] })}\n\n`);
    socket.write(
      STREAM_HEAD + chunk({ role: 'assistant', content: '' }) + chunk({ content: 'one two three four' }),
    );
    onSent();
    if (then === 'break') socket.end();
  };

describe.each(faces)('on %s', (face: Face) => {
  test('an answer that the client leaves is counted as far as it came', async () => {
    const gateway = await start();
    model.script = [halfAnswer('hang')];
    const leave = new AbortController();
    await callFace(face, gateway.url, 'shop/dear', {
      stream: true,
      signal: leave.signal,
      onText: () => leave.abort(),
    });
    await until(async () => (await usageOf(gateway)).total.requests === 1);
    const { total } = await usageOf(gateway);
    expect(total).toMatchObject({ estimated: 1, aborted: 1, unpriced: 0 });
    expect(total.prompt_tokens).toBeGreaterThan(0);
    // 18 characters.
    expect(total.completion_tokens).toBe(4);
    expect(Number(total.cost_usd)).toBeCloseTo((total.prompt_tokens + 8) / 100, 10);
  });

  test('an answer that breaks off is counted as far as it came', async () => {
    const gateway = await start();
    model.script = [halfAnswer('break')];
    const { failure } = await callFace(face, gateway.url, 'shop/dear', { stream: true });
    expect(failure).not.toBeNull();
    expect((await usageOf(gateway)).total).toMatchObject({
      requests: 1,
      estimated: 1,
      aborted: 1,
      completion_tokens: 4,
    });
  });

  test('a call that brought nothing costs nothing', async () => {
    const gateway = await start();
    model.script = [({ socket }) => void socket.end('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n')];
    const { failure } = await callFace(face, gateway.url, 'shop/dear', { stream: false });
    expect(failure).not.toBeNull();
    expect((await usageOf(gateway)).total).toMatchObject({ requests: 0, cost_usd: '0' });
  });
});

describe('totals', () => {
  test('are those of the day, and the same on REST and RPC', async () => {
    const gateway = await start();
    model.script = [
      { text: 'a', usage: usage(3, 2) },
      { text: 'a', usage: usage(1, 1) },
    ];
    await (await ask(gateway)).text();
    await (await ask(gateway, { stream: true })).text();
    const today = new Date().toISOString().slice(0, 10);
    const body = await usageOf(gateway, '?group_by=model,key,owner,provider,day');
    const expected = {
      requests: 2,
      prompt_tokens: 4,
      completion_tokens: 3,
      total_tokens: 7,
      cost_usd: '0.1',
    };
    expect(body.date).toBe(today);
    expect(body.total).toMatchObject(expected);
    for (const [group, name] of [
      ['models', 'shop/dear'],
      ['keys', 'anonymous'],
      ['owners', 'anonymous'],
      ['providers', 'shop'],
      ['days', today],
    ] as const)
      expect(body[group]?.[name], group).toMatchObject(expected);
    for (const face of Object.keys(rpcTransports) as RpcFace[]) {
      const client = createClient(UsageService, rpcTransports[face](gateway.url));
      const response = await client.getUsage({ groupBy: [UsageGroup.PROVIDER] });
      expect(response).toMatchObject({ from: today, to: today, total: { requests: 2n, costUsd: '0.1' } });
      expect(response.groups).toMatchObject([{ group: UsageGroup.PROVIDER, entries: [{ name: 'shop' }] }]);
    }
    const yesterday = new Date(Date.now() - dayMs).toISOString().slice(0, 10);
    expect((await usageOf(gateway, `?date=${yesterday}`)).total.requests).toBe(0);
    expect((await usageOf(gateway, `?from=${yesterday}&to=${today}`)).total.requests).toBe(2);
    expect(await usageOf(gateway, `?from=${yesterday}`)).toMatchObject({
      from: yesterday,
      to: today,
      total: { requests: 2 },
    });
    expect(await usageOf(gateway, `?from=2999-01-01`)).toMatchObject({ date: '2999-01-01' });
  });

  test.each([
    ['?date=2026-02-30', 'date'],
    ['?from=x', 'from'],
    ['?from=2026-01-02&to=2026-01-01', 'to'],
    ['?from=2020-01-01&to=2026-01-01', 'to'],
    ['?date=2026-01-01&to=2026-01-02', 'date'],
    ['?group_by=colour', 'group_by'],
    ['?group_by=tenant', 'group_by'],
    ['?colour=red', 'colour'],
  ])('%s is refused, by its name', async (query, field) => {
    const gateway = await start();
    const reply = await fetch(`${gateway.url}/v1/usage${query}`);
    const { error } = (await reply.json()) as { error: { param: string } };
    expect([reply.status, error.param]).toEqual([400, field]);
  });

  test('another tenant’s are not shown', async () => {
    const gateway = await start();
    expect((await fetch(`${gateway.url}/v1/usage?tenant=acme`)).status).toBe(403);
  });

  test('survive a restart', async () => {
    const dataDir = mkdtempSync(path.join(folder, 'data-'));
    const first = await start('', { LLM_GATEWAY_DATA_DIR: dataDir });
    model.script = [{ text: 'a', usage: usage(3, 2) }];
    await (await ask(first)).text();
    await first.gateway.drain();
    const second = await start('', { LLM_GATEWAY_DATA_DIR: dataDir });
    expect((await usageOf(second)).total).toMatchObject({ requests: 1, cost_usd: '0.07' });
  });
});

describe('budgets', () => {
  const budget = (usd: number, more = '') => `budgets:\n  - { name: all, usd: ${usd}, per: day${more} }`;

  test('let calls pass until they are used up, then say so without being asked again', async () => {
    const gateway = await start(budget(0.5));
    model.script = Array.from({ length: 9 }, () => ({ text: 'a', usage: usage(10, 10) }));
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 3 });
    const create = () =>
      client.chat.completions.create({
        model: 'shop/dear',
        max_tokens: 1,
        messages: [{ role: 'user', content: 'Hi' }],
      });
    await create();
    const asked = model.asked.length;
    await create();
    const failure = (await create().catch((error: unknown) => error)) as InstanceType<typeof OpenAI.APIError>;
    expect(failure).toMatchObject({ status: 429, code: 'insufficient_quota', type: 'insufficient_quota' });
    expect(failure.headers?.get('x-should-retry')).toBe('false');
    expect(failure.message).toMatch(/budget all is exhausted; it renews at \d{4}-\d\d-\d\dT00:00:00Z$/);
    expect(model.asked).toHaveLength(asked + 1);
    // The SDK would have come back.
    expect(gateway.log.filter((line) => line['status'] === 'budget_exhausted')).toHaveLength(1);
  });

  test.each(chatFaces)('stop calls on %s', async (face) => {
    const gateway = await start(budget(0.01));
    for (const stream of [false, true]) {
      const { failure } = await callFace(face, gateway.url, 'shop/dear', { stream });
      expect(failure).toMatchObject(
        face === 'REST'
          ? { status: 429, reason: 'insufficient_quota' }
          : { status: 'ResourceExhausted', reason: 'budget_exhausted' },
      );
    }
  });

  test('do not stop what is free, or not theirs', async () => {
    const gateway = await start(`budgets:
  - { name: shop, usd: 0, per: month, provider: shop, model: 'shop/d*' }
  - { name: acme, usd: 0, per: total, tenant: acme }`);
    expect((await ask(gateway, { model: 'fake/echo' })).status).toBe(200);
    expect((await ask(gateway, { model: 'shop/cheap' })).status).toBe(200);
    expect((await ask(gateway)).status).toBe(429);
  });

  test('say once of each model without a price that it uses up none', async () => {
    const gateway = await start(budget(1));
    model.script = [({ socket }) => void socket.write('HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n')];
    expect((await ask(gateway, { model: 'shop/misspelt' })).status).toBe(404);
    for (let i = 0; i < 3; i++) expect((await ask(gateway, { model: 'shop/cheap' })).status).toBe(200);
    const told = gateway.log.filter(({ message }) => String(message).includes('without a price'));
    expect(told).toMatchObject([{ level: 'WARN', provider: 'shop', model: 'shop/cheap' }]);
  });

  test('get back what a call that fails or is left had set aside', async () => {
    const gateway = await start(budget(1));
    for (let i = 0; i < 4; i++) {
      model.script = [({ socket }) => void socket.end('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n')];
      expect((await ask(gateway, { max_tokens: 30 })).status).toBe(502);
    }
  });

  test('tell of each share once', async () => {
    const gateway = await start(budget(1, ', alert_at: [50, 80]'));
    model.script = Array.from({ length: 4 }, () => ({ text: 'a', usage: usage(10, 5) }));
    for (let i = 0; i < 4; i++) await (await ask(gateway, { max_tokens: 1 })).text();
    const alerts = () => gateway.log.filter(({ message }) => message === 'budget used up in part');
    await until(() => alerts().length === 2);
    expect(alerts()).toMatchObject([
      { level: 'WARN', budget: 'all', percent: 50, spent_usd: '0.6', limit_usd: '1' },
      { level: 'WARN', budget: 'all', percent: 80, spent_usd: '0.8', limit_usd: '1' },
    ]);
  });
});

describe.skipIf(!hasRedis)('two gateways on one Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());

  const pair = async (more: string): Promise<[RunningGateway, RunningGateway]> => {
    await server.cli('FLUSHALL');
    const env = { LLM_GATEWAY_REDIS_URL: server.url };
    const gateways = [await start(more, env), await start(more, env)] as const;
    for (const gateway of gateways) {
      await until(() => gateway.log.some(({ message }) => message === 'redis answers'));
    }
    return [...gateways];
  };

  test('of 100 calls at once never spend more than their budget', async () => {
    const gateways = await pair('budgets:\n  - { name: all, usd: 10, per: day }');
    model.script = Array.from({ length: 100 }, () => ({ text: 'a', usage: usage(10, 10) }));
    const statuses = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const reply = await ask(gateways[i % 2]!, { max_tokens: 20 });
        await reply.text();
        return reply.status;
      }),
    );
    const passed = statuses.filter((status) => status === 200).length;
    expect(statuses.filter((status) => status === 429)).toHaveLength(100 - passed);
    // Each costs 0.3 and sets aside somewhat more.
    expect(passed).toBeGreaterThan(10);
    expect(passed).toBeLessThanOrEqual(33);
    await until(async () => {
      const totals = await Promise.all(gateways.map((gateway) => usageOf(gateway)));
      return totals.every(({ total }) => total.requests === passed);
    });
    const { total } = await usageOf(gateways[0]);
    expect(Number(total.cost_usd)).toBeCloseTo(passed * 0.3, 10);
  });

  test('without it refuse calls with a budget by 503, let the others pass, and go on by themselves', async () => {
    const [gateway] = await pair(
      'budgets:\n  - { name: all, usd: 10, per: day, provider: shop, model: shop/dear }',
    );
    await server.kill();
    await until(() => gateway.log.some(({ message }) => message === 'redis does not answer'));
    const began = performance.now();
    const refused = await ask(gateway);
    expect(performance.now() - began).toBeLessThan(1_000);
    const { error } = (await refused.json()) as { error: { code: string } };
    expect([refused.status, error.code]).toEqual([503, 'dependency_unavailable']);
    for (let i = 0; i < 3; i++) {
      const { text, complete } = await callFace('REST', gateway.url, 'shop/cheap', { stream: false });
      expect([text, complete]).toEqual(['done', true]);
    }
    const waits = () => gateway.log.filter(({ message }) => message === 'totals of usage wait for the store');
    await until(() => waits().length > 0);
    await server.start();
    await until(async () => (await ask(gateway, { max_tokens: 1 })).status === 200);
    await until(async () => (await usageOf(gateway)).models?.['shop/cheap']?.requests === 3);
    expect(waits()).toHaveLength(1);
  });
});
