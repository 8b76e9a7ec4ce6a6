import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Authenticate } from '../../src/auth/authenticator.ts';
import { anonymous } from '../../src/auth/principal.ts';
import type { OwnParts } from '../../src/context/gateway.ts';
import { answered, STREAM_HEAD } from '../http/support/upstream.ts';
import { callFace, faces, isRest } from '../support/faces.ts';
import {
  chatClient,
  openaiClient,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import {
  chunkOf,
  completionOf,
  type ScriptedModel,
  startModel,
  streamOf,
} from '../support/scripted-model.ts';
import { testToolbox } from '../support/toolbox.ts';

let model: ScriptedModel;
let folder: string;
const running: RunningGateway[] = [];
beforeAll(async () => {
  model = await startModel();
  folder = mkdtempSync(path.join(tmpdir(), 'cache-'));
  writeFileSync(
    path.join(folder, 'gateway.yaml'),
    `providers:
  shop: { base_url: "${model.upstream.origin}/v1", api_key: k, embeddings: float }
models:
  - { id: shop/dear, provider: shop, price: { input: 10000, output: 20000 } }
`,
  );
});
afterEach(async () => {
  model.script = [];
  model.asked.length = 0;
  for (const gateway of running.splice(0)) await gateway.stop();
});
afterAll(() => {
  model?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}, parts: OwnParts = {}): Promise<RunningGateway> {
  const gateway = await startGateway(
    { LLM_GATEWAY_CONFIG: path.join(folder, 'gateway.yaml'), LLM_GATEWAY_CACHE: 'true', ...env },
    parts,
  );
  running.push(gateway);
  return gateway;
}

const post = (
  { url }: { readonly url: string },
  route: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${url}/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

const ask = (
  gateway: { readonly url: string },
  more: object = {},
  headers: Record<string, string> = {},
): Promise<Response> => {
  const messages = [{ role: 'user', content: 'Hi' }];
  return post(gateway, 'v1/chat/completions', { model: 'shop/dear', messages, ...more }, headers);
};

/** Keys are the names of tenants; `boss` is an administrator. */
const byKey: Authenticate = ({ headers }) => {
  const key = String(headers['authorization'] ?? '').replace('Bearer ', '');
  return { ...anonymous, id: key, tenant: key.split('.')[0] as string, owner: key, admin: key === 'boss' };
};

describe('on every face', () => {
  describe.each(faces)('%s', (face) => {
    test.each([
      [false, false],
      [true, true],
      [false, true],
      [true, false],
    ])('the second answer is the first one (streamed: %s, then %s)', async (first, second) => {
      const gateway = await start();
      model.script = [{ text: 'Good morning' }];
      const text = `on ${face}`;
      const one = await callFace(face, gateway.url, 'shop/dear', { stream: first, text });
      const two = await callFace(face, gateway.url, 'shop/dear', { stream: second, text });
      for (const outcome of [one, two]) {
        expect(outcome).toMatchObject({ text: 'Good morning', complete: true, failure: null });
      }
      expect(model.asked).toHaveLength(1);
      if (!isRest(face)) return;
      expect([one, two].map(({ headers }) => headers?.get('x-cache'))).toEqual(['MISS', 'HIT']);
      expect([one, two].map(({ headers }) => headers?.get('age'))).toEqual([null, '0']);
      expect(two.headers?.get('x-provider-used')).toBe('shop');
    });
  });

  test('faces that ask the same share one answer', async () => {
    const gateway = await start();
    model.script = [{ text: 'Good morning' }];
    await callFace('REST', gateway.url, 'shop/dear', { stream: true });
    const { text } = await callFace('gRPC', gateway.url, 'shop/dear', { stream: false });
    expect(text).toBe('Good morning');
    expect(model.asked).toHaveLength(1);
  });

  test('the whole answer is the same, byte for byte, and costs nothing', async () => {
    const gateway = await start();
    model.script = [
      { text: 'Good morning', usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } },
    ];
    const [one, two] = [await ask(gateway), await ask(gateway)];
    expect(await two.text()).toBe(await one.text());
    expect([one, two].map(({ headers }) => headers.get('x-cost-usd'))).toEqual(['0.07', '0']);
    const { total } = (await (await fetch(`${gateway.url}/v1/usage`)).json()) as { total: object };
    expect(total).toMatchObject({ requests: 1, cost_usd: '0.07' });
    const lines = gateway.log.filter(({ message }) => message === 'call');
    expect(lines.map((line) => line['cache'])).toEqual(['miss', 'hit']);
  });

  test('RPC tells of it in the report', async () => {
    const gateway = await start();
    const request = {
      model: 'shop/dear',
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'Hi' } } }] }],
    };
    const client = chatClient('gRPC', gateway.url);
    const { callReport: first } = await client.createChatCompletion(request);
    const { callReport: second } = await client.createChatCompletion(request);
    expect([first?.cache, second?.cache]).toEqual(['miss', 'hit']);
    const reports = [];
    for await (const { event } of client.streamChatCompletion(request)) {
      if (event.case === 'started' || event.case === 'finished') reports.push(event.value.callReport?.cache);
    }
    expect(reports).toEqual(['hit', 'hit']);
    const fresh = { ...request, options: { forceRefresh: true } };
    expect((await client.createChatCompletion(fresh)).callReport?.cache).toBe('miss');
    const { callReport } = await client.createChatCompletion(request, {
      headers: { 'cache-control': 'no-cache' },
    });
    expect(callReport?.cache).toBe('miss');
    expect(model.asked).toHaveLength(3);
  });

  test('responses have ids of their own over the same answer of the model', async () => {
    const gateway = await start();
    model.script = [{ text: 'Good morning' }];
    const { responses } = openaiClient(gateway.url);
    const one = await responses.create({ model: 'shop/dear', input: 'Hi' });
    const two = await responses.create({ model: 'shop/dear', input: 'Hi' });
    let text = '';
    let id = '';
    for await (const event of await responses.create({ model: 'shop/dear', input: 'Hi', stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (event.type === 'response.completed') id = event.response.id;
    }
    expect([one.output_text, two.output_text, text]).toEqual(Array(3).fill('Good morning'));
    expect(new Set([one.id, two.id, id]).size).toBe(3);
    expect(model.asked).toHaveLength(1);
    model.script = [{ text: 'Well' }];
    const next = { model: 'shop/dear', input: 'How are you?' };
    const three = await responses.create({ ...next, previous_response_id: one.id });
    const four = await responses.create({ ...next, previous_response_id: two.id });
    expect([three.output_text, four.output_text]).toEqual(['Well', 'Well']);
    expect(model.asked).toHaveLength(2);
  });

  test('vectors are kept as well', async () => {
    const gateway = await start();
    const data = [{ object: 'embedding', index: 0, embedding: [0.5, -2] }];
    const reaction = ({ socket }: { socket: { write(text: string): unknown } }) =>
      void socket.write(
        answered(
          JSON.stringify({ object: 'list', data, model: 'm', usage: { prompt_tokens: 1, total_tokens: 1 } }),
        ),
      );
    model.script = [reaction, reaction];
    const body = { model: 'shop/vectors', input: 'a' };
    const [one, two] = [
      await post(gateway, 'v1/embeddings', body),
      await post(gateway, 'v1/embeddings', body),
    ];
    expect(await two.text()).toBe(await one.text());
    expect([one, two].map(({ headers }) => headers.get('x-cache'))).toEqual(['MISS', 'HIT']);
    const fresh = await post(gateway, 'v1/embeddings', body, { 'cache-control': 'no-cache' });
    expect(fresh.headers.get('x-cache')).toBe('MISS');
    expect(model.asked).toHaveLength(2);
  });
});

describe('a request says', () => {
  test.each([
    ['force_refresh', { force_refresh: true }, {}],
    ['Cache-Control: no-cache', {}, { 'cache-control': 'no-cache' }],
  ])('%s: a new answer, which others get from then on', async (_how, body, headers) => {
    const gateway = await start();
    model.script = [{ text: 'old' }, { text: 'new' }];
    await ask(gateway);
    expect(await (await ask(gateway, body, headers)).text()).toContain('new');
    const third = await ask(gateway);
    expect(third.headers.get('x-cache')).toBe('HIT');
    expect(await third.text()).toContain('new');
  });

  test.each([false, true])(
    'that it wants a new answer: an older one that comes later takes nobody in and is not kept (streamed: %s)',
    async (stream) => {
      const gateway = await start();
      let go = (): void => {};
      model.script = [
        ({ socket }) =>
          void (go = () =>
            void socket.write(stream ? streamOf({ text: 'old' }) : completionOf({ text: 'old' }))),
        { text: 'new' },
        { text: 'too much' },
      ];
      const slow = ask(gateway, { stream });
      await until(() => model.asked.length === 1);
      expect(await (await ask(gateway, {}, { 'cache-control': 'no-cache' })).text()).toContain('new');
      expect(await (await ask(gateway)).text()).toContain('new');
      go();
      expect(await (await slow).text()).toContain('old');
      const after = await ask(gateway);
      expect([after.headers.get('x-cache'), await after.text()]).toEqual([
        'HIT',
        expect.stringContaining('new'),
      ]);
    },
  );

  test.each([
    ['no_store', { no_store: true }, {}],
    ['Cache-Control: no-store', {}, { 'cache-control': 'max-age=0, No-Store' }],
  ])('%s: its answer is not kept', async (_how, body, headers) => {
    const gateway = await start();
    for (let i = 0; i < 2; i++) {
      expect((await ask(gateway, body, headers)).headers.get('x-cache')).toBe('MISS');
    }
    await ask(gateway);
    expect((await ask(gateway, body, headers)).headers.get('x-cache')).toBe('HIT');
    const off = await ask(gateway, {}, { 'cache-control': 'no-cache, no-store' });
    expect(off.headers.get('x-cache')).toBeNull();
  });
});

test('nothing is kept unless it is configured', async () => {
  const gateway = await start({ LLM_GATEWAY_CACHE: 'false' });
  for (let i = 0; i < 2; i++) expect((await ask(gateway)).headers.get('x-cache')).toBeNull();
  expect(model.asked).toHaveLength(2);
});

test("calls with tools have nothing to do with it, the client's or the gateway's", async () => {
  const gateway = await start({}, { toolbox: testToolbox() });
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
  for (const more of [{ tools }, { gateway_tools: ['add'] }]) {
    for (let i = 0; i < 2; i++) expect((await ask(gateway, more)).headers.get('x-cache')).toBeNull();
  }
  expect(model.asked).toHaveLength(4);
});

test('what goes to the provider is the same with the cache as without it', async () => {
  const gateways = [await start(), await start({ LLM_GATEWAY_CACHE: 'false' })];
  const content = [
    { type: 'text', text: 'long', cache_control: { type: 'ephemeral' } },
    { type: 'text', text: 'short' },
  ];
  const bodies: string[] = [];
  for (const gateway of gateways) {
    model.script = [
      (request) => {
        bodies.push(request.body);
        request.socket.write(completionOf({ text: 'done' }));
      },
    ];
    await (
      await ask(gateway, {
        messages: [
          { role: 'system', content },
          { role: 'user', content: 'Hi' },
        ],
        b: 1,
        a: 2,
      })
    ).text();
  }
  expect(bodies[0]).toContain('"b":1,"a":2');
  expect(bodies[0]).toBe(bodies[1]);
});

describe('tenants', () => {
  test('never share an answer; keys of one tenant do', async () => {
    const gateway = await start({}, { authenticate: byKey });
    const as = async (key: string) => {
      const reply = await ask(gateway, {}, { authorization: `Bearer ${key}` });
      const body = (await reply.json()) as { choices: { message: { content: string } }[] };
      return `${reply.headers.get('x-cache')} ${body.choices[0]?.message.content}`;
    };
    model.script = [{ text: 'for red' }, { text: 'for blue' }];
    expect(await as('red.one')).toBe('MISS for red');
    expect(await as('blue.one')).toBe('MISS for blue');
    expect(await as('red.two')).toBe('HIT for red');
    expect(await as('blue.two')).toBe('HIT for blue');
  });

  test('never share a call under way', async () => {
    const gateway = await start({}, { authenticate: byKey });
    const held: (() => void)[] = [];
    const hold = (text: string) => (request: { socket: { write(text: string): unknown } }) =>
      void held.push(() => void request.socket.write(completionOf({ text })));
    model.script = [hold('first'), hold('second')];
    const keys = ['red', 'blue'];
    const replies = keys.map((key) => ask(gateway, {}, { authorization: `Bearer ${key}` }));
    await until(() => held.length === 2);
    for (const go of held) go();
    const texts = await Promise.all(replies.map(async (reply) => (await reply).text()));
    expect(texts.filter((text) => text.includes('first'))).toHaveLength(1);
  });
});

describe('equal calls at the same time', () => {
  test('are one call of the provider', async () => {
    let seen = 0;
    const authenticate: Authenticate = () => {
      seen++;
      return anonymous;
    };
    const gateway = await start({ LLM_GATEWAY_RATE_LIMITS: 'off' }, { authenticate });
    let go = (): void => {};
    model.script = [
      ({ socket }) => void (go = () => void socket.write(completionOf({ text: 'Good morning' }))),
    ];
    const replies = Array.from({ length: 100 }, () => ask(gateway));
    await until(() => seen === 100 && model.asked.length === 1);
    // What came before this one has been read.
    await fetch(`${gateway.url}/health`);
    go();
    const all = await Promise.all(replies);
    const texts = new Set(await Promise.all(all.map((reply) => reply.text())));
    expect(texts.size).toBe(1);
    expect(model.asked).toHaveLength(1);
    const kinds = all.map(({ headers }) => headers.get('x-cache'));
    expect(kinds.filter((kind) => kind === 'MISS')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'SHARED').length).toBeGreaterThan(50);
  });

  test('a stream goes on when the client that asked first leaves, and stops when all have', async () => {
    const gateway = await start();
    let socket = { write: (_: string): unknown => null };
    let gone: Promise<number> | null = null;
    const begin: ScriptedModel['script'][number] = (request) => {
      socket = request.socket;
      gone = request.gone;
      request.socket.write(STREAM_HEAD + chunkOf({ role: 'assistant', content: 'Good' }));
    };
    model.script = [begin];
    const clients = [new AbortController(), new AbortController()];
    const seen = ['', ''];
    const calls: Promise<unknown>[] = [];
    for (const [i, { signal }] of clients.entries()) {
      const onText = (text: string) => void (seen[i] = text);
      calls.push(callFace('REST', gateway.url, 'shop/dear', { stream: true, signal, onText }));
      await until(() => seen[i] === 'Good');
    }
    clients[0]!.abort();
    await calls[0];
    socket.write(chunkOf({ content: ' morning' }));
    await until(() => seen[1] === 'Good morning');
    expect(model.asked).toHaveLength(1);
    clients[1]!.abort();
    await calls[1];
    await gone;
    // What was cut off is not kept.
    model.script = [{ text: 'Good evening' }];
    expect(await callFace('REST', gateway.url, 'shop/dear', { stream: true })).toMatchObject({
      text: 'Good evening',
    });
  });

  test('a stream that the provider cuts off fails for all and is not kept', async () => {
    const gateway = await start();
    let cut = (): void => {};
    model.script = [
      ({ socket }) => {
        socket.write(STREAM_HEAD + chunkOf({ role: 'assistant', content: 'Good' }));
        cut = () => void socket.destroy();
      },
      ({ socket }) => void socket.write(streamOf({ text: 'Good evening' })),
    ];
    const seen = ['', ''];
    const calls = [];
    for (const i of [0, 1]) {
      const onText = (text: string) => void (seen[i] = text);
      calls.push(callFace('REST', gateway.url, 'shop/dear', { stream: true, onText }));
      await until(() => seen[i] === 'Good');
    }
    cut();
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatchObject({ text: 'Good', complete: false });
      expect(outcome.failure).not.toBeNull();
    }
    const again = await callFace('REST', gateway.url, 'shop/dear', { stream: true });
    expect(again).toMatchObject({ text: 'Good evening', complete: true });
  });
});

test.each([false, true])(
  'a compaction and an answer to the same input are two things (streamed: %s)',
  async (stream) => {
    const gateway = await start();
    const body = { model: 'shop/plain', input: 'What is 2+2?', store: false };
    const compact = async () => {
      model.script = [{ text: 'They asked for a sum.' }];
      return (await post(gateway, 'v1/responses/compact', { model: body.model, input: body.input })).text();
    };
    const answer = async () => {
      model.script = [{ text: 'four' }];
      return (await post(gateway, 'v1/responses', { ...body, stream })).text();
    };
    for (const turn of [compact, answer, compact, answer]) {
      const text = await turn();
      expect(text).toContain(turn === answer ? 'four' : 'compaction');
      expect(text).not.toContain(turn === answer ? 'compaction' : 'four');
    }
  },
);

test('what was asked before entries were deleted is not kept afterwards', async () => {
  const gateway = await start();
  let go = (): void => {};
  model.script = [({ socket }) => void (go = () => void socket.write(completionOf({ text: 'old' })))];
  const old = ask(gateway);
  await until(() => model.asked.length === 1);
  await post(gateway, 'cache/clear', {});
  go();
  await (await old).text();
  const fresh = await ask(gateway);
  expect(fresh.headers.get('x-cache')).toBe('MISS');
  expect(await fresh.text()).toContain('done');
});

describe('administrators', () => {
  const status = async (gateway: RunningGateway, headers: Record<string, string> = {}) =>
    (await fetch(`${gateway.url}/cache/status`, { headers })).json() as Promise<Record<string, unknown>>;

  test('see what is in it', async () => {
    const gateway = await start({ LLM_GATEWAY_ADMIN_TOKEN: 'a-token-of-administrators' });
    for (let i = 0; i < 4; i++) await ask(gateway, { seed: i % 2 });
    expect(await status(gateway)).toMatchObject({
      status: 'healthy',
      total_entries: 2,
      average_access_count: 1,
      max_size: 1000,
      utilization_percent: 0.2,
      hits: 2,
      misses: 2,
      hit_rate: 0.5,
      shared: 0,
      refreshed: 0,
      errors: 0,
    });
    const client = createClient(AdminService, rpcTransports.gRPC(gateway.url));
    const headers = { authorization: 'Bearer a-token-of-administrators' };
    const told = await client.getCacheStatus({}, { headers });
    expect(told).toMatchObject({ enabled: true, totalEntries: 2n, hits: 2n });
  });

  test('clear it, all or by owner or pattern', async () => {
    const gateway = await start({}, { authenticate: byKey });
    const boss = { authorization: 'Bearer boss' };
    const fill = async () => {
      for (const key of ['user123', 'user9']) await ask(gateway, {}, { authorization: `Bearer ${key}` });
    };
    await fill();
    const clear = async (body: object) => (await post(gateway, 'cache/clear', body, boss)).json();
    expect(await clear({ pattern: 'user123_*' })).toEqual({ entries_cleared: 1, pattern: 'user123_*' });
    expect(await clear({ user_id: 'user9' })).toEqual({ entries_cleared: 1 });
    await fill();
    const admin = createClient(AdminService, rpcTransports.gRPC(gateway.url));
    expect((await admin.clearCache({ tenant: 'user9' }, { headers: boss })).entriesCleared).toBe(1);
    const all = await fetch(`${gateway.url}/cache/clear`, { method: 'POST', headers: boss });
    expect(await all.json()).toEqual({ entries_cleared: 1 });
    expect((await status(gateway, boss))['total_entries']).toBe(0);
    const wrong = await post(gateway, 'cache/clear', { patern: 'x' }, boss);
    expect(wrong.status).toBe(400);
  });

  test('are the only ones who may, once there are keys', async () => {
    const gateway = await start({}, { authenticate: byKey });
    const user = { authorization: 'Bearer user' };
    expect((await post(gateway, 'cache/clear', {}, user)).status).toBe(403);
    expect((await fetch(`${gateway.url}/v1/cache/status`, { headers: user })).status).toBe(403);
    const admin = createClient(AdminService, rpcTransports.gRPC(gateway.url));
    await expect(admin.clearCache({}, { headers: user })).rejects.toThrow(/permission_denied/);
    await expect(admin.getCacheStatus({}, { headers: user })).rejects.toThrow(/permission_denied/);
  });
});

describe.skipIf(!hasRedis)('with Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());
  const ready = (gateway: RunningGateway) =>
    until(() => gateway.log.some(({ message }) => message === 'redis answers'));

  test('gateways share answers, and go on without them while it is down', async () => {
    const env = { LLM_GATEWAY_REDIS_URL: redis.url };
    const [one, two] = [await start(env), await start(env)];
    await Promise.all([ready(one), ready(two)]);
    await ask(one);
    await until(async () => Number(await redis.cli('DBSIZE')) > 0);
    const hit = await ask(two, { stream: true });
    expect(hit.headers.get('x-cache')).toBe('HIT');
    expect(await hit.text()).toContain('data: [DONE]');
    await redis.kill();
    for (let i = 0; i < 5; i++) expect((await ask(two)).status).toBe(200);
    const warnings = two.log.filter(({ module, level }) => module === 'cache' && level === 'WARN');
    expect(warnings).toHaveLength(1);
    expect((await fetch(`${two.url}/cache/status`)).status).toBe(503);
    await redis.start();
    await until(async () => (await ask(two)).headers.get('x-cache') === 'HIT');
    expect(two.log.filter(({ module }) => module === 'cache').at(-1)).toMatchObject({
      message: 'the cache answers',
    });
  });

  test('one that hangs costs a moment only', async () => {
    const gateway = await start({ LLM_GATEWAY_REDIS_URL: redis.url, LLM_GATEWAY_USAGE: 'false' });
    await ready(gateway);
    redis.signal('SIGSTOP');
    try {
      const began = performance.now();
      for (let i = 0; i < 10; i++) expect((await ask(gateway, { seed: 7 })).status).toBe(200);
      expect(performance.now() - began).toBeLessThan(2_000);
    } finally {
      redis.signal('SIGCONT');
    }
  });
});
