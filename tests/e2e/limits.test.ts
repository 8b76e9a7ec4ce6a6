import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Authenticate } from '../../src/auth/authenticator.ts';
import { anonymous } from '../../src/auth/principal.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { OwnParts } from '../../src/context/gateway.ts';
import { chunked, STREAM_HEAD } from '../http/support/upstream.ts';
import { callFace, type Face, faces, isRest } from '../support/faces.ts';
import {
  anthropicClient,
  chatClient,
  openaiClient,
  type RpcFace,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/process.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { chunkOf, completionOf, type ScriptedModel, startModel } from '../support/scripted-model.ts';

let model: ScriptedModel;
let folder: string;
let files = 0;
const running: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  model = await startModel();
  folder = mkdtempSync(path.join(tmpdir(), 'limits-'));
});
afterEach(async () => {
  model.script = [];
  model.asked.length = 0;
  for (const one of running.splice(0)) await one.stop();
});
afterAll(() => {
  model?.close();
  rmSync(folder, { recursive: true, force: true });
});

function configured(yaml: string): string {
  const file = path.join(folder, `gateway-${files++}.yaml`);
  writeFileSync(
    file,
    `providers:
  shop: { base_url: "${model.upstream.origin}/v1", api_key: k }
  other: { base_url: "${model.upstream.origin}/v1", api_key: k }
${yaml}`,
  );
  return file;
}

async function start(
  yaml = '',
  env: Record<string, string> = {},
  parts: OwnParts = {},
): Promise<RunningGateway> {
  const gateway = await startGateway({ LLM_GATEWAY_CONFIG: configured(yaml), ...env }, parts);
  running.push(gateway);
  return gateway;
}

/** Says who somebody is by a header. */
const byHeader: Authenticate = ({ headers }) => {
  const owner = String(headers['x-who'] ?? 'nobody');
  return {
    ...anonymous,
    id: `key-${owner}`,
    owner,
    admin: owner === 'root',
    rateClass: String(headers['x-class'] ?? 'default'),
  };
};

const ask = (
  url: string,
  {
    headers = {},
    body = {},
    route = 'chat/completions',
    signal,
  }: { headers?: Record<string, string>; body?: object; route?: string; signal?: AbortSignal } = {},
) =>
  fetch(`${url}/v1/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      model: 'shop/m',
      messages: [{ role: 'user', content: 'Hi' }],
      max_tokens: 100,
      ...body,
    }),
    signal: signal ?? null,
  });

const perMinute = (count: number, more = ''): string =>
  `limits: { classes: { default: { requests_per_minute: ${count}, requests_per_hour: 0, tokens_per_minute: 0, burst_limit: 0${more} } } }`;

/** Requests that the upstream has and does not answer. */
function holding(): { readonly held: (() => void)[] } {
  const held: (() => void)[] = [];
  model.script = Array.from(
    { length: 500 },
    () =>
      ({ socket, body }: { socket: { write(text: string): unknown }; body: string }) => {
        held.push(() => socket.write(body.includes('"stream":true') ? '' : completionOf({ text: 'late' })));
      },
  );
  return { held };
}

describe('a gateway with neither keys nor limits', () => {
  test('throttles nobody and says nothing of limits', async () => {
    const { url } = await start();
    const replies = await Promise.all(Array.from({ length: 70 }, () => ask(url)));
    expect(replies.every(({ status }) => status === 200)).toBe(true);
    expect([...replies[0]!.headers.keys()].filter((name) => name.includes('ratelimit'))).toEqual([]);
  });
});

describe('a reload', () => {
  test('that adds the first keys begins to limit, and one that takes them away ends it', async () => {
    const { url, gateway } = await start();
    const take = (yaml: string): void =>
      gateway.reload(
        loadConfig({ env: { LLM_GATEWAY_DATA_DIR: folder, LLM_GATEWAY_CONFIG: configured(yaml) } }),
      );
    const many = (headers: Record<string, string> = {}) =>
      Promise.all(Array.from({ length: 70 }, async () => (await ask(url, { headers })).status));
    expect(new Set(await many())).toEqual(new Set([200]));
    const key = 'a-key-that-is-long-enough-to-be-one';
    take(`keys: [{ id: a, key: ${key} }]`);
    expect((await ask(url)).status).toBe(401);
    const first = await ask(url, { headers: { authorization: `Bearer ${key}` } });
    expect(first.headers.get('x-ratelimit-limit-requests')).not.toBeNull();
    expect(await many({ authorization: `Bearer ${key}` })).toContain(429);
    take('');
    expect(new Set(await many())).toEqual(new Set([200]));
    take('limits: { mode: on, classes: { default: { requests_per_minute: 1 } } }');
    expect(await many()).toContain(429);
  });
});

describe('a refused call', () => {
  test.each(faces)('on %s: says which limit and when to come back, and asks nobody', async (face: Face) => {
    const { url } = await start(perMinute(2));
    for (let i = 0; i < 2; i++)
      expect((await callFace(face, url, 'shop/m', { stream: i > 0 })).failure).toBeNull();
    model.asked.length = 0;
    for (const stream of [false, true]) {
      const { failure, headers } = await callFace(face, url, 'shop/m', { stream });
      expect(failure?.message).toContain('rate limit of owner anonymous reached: 2 requests within a minute');
      if (isRest(face)) {
        expect(failure?.status).toBe(429);
        expect(failure?.reason).toBe(face === 'REST' ? 'rate_limit_exceeded' : 'rate_limit_error');
        expect(Number(headers?.get('retry-after'))).toBeGreaterThan(50);
        expect(Number(headers?.get('retry-after-ms'))).toBeGreaterThan(50_000);
        expect(headers?.get('x-ratelimit-remaining-requests')).toBe('0');
        expect(headers?.get('x-ratelimit-limit')).toBe('2');
        if (face !== 'REST') expect(headers?.get('anthropic-ratelimit-requests-remaining')).toBe('0');
      } else expect(failure?.status).toBe('ResourceExhausted');
    }
    expect(model.asked).toEqual([]);
  });

  test('has its details on RPC, as metadata too', async () => {
    const { url } = await start(perMinute(1));
    await ask(url);
    const request = {
      model: 'shop/m',
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'Hi' } } }] }],
    };
    const error = ConnectError.from(
      await chatClient('gRPC', url)
        .createChatCompletion(request)
        .catch((thrown: unknown) => thrown),
    );
    const [detail] = error.findDetails(ErrorDetailSchema);
    expect(detail?.reason).toBe(ErrorReason.RATE_LIMITED);
    expect(Number(detail?.retryAfterMs)).toBeGreaterThan(50_000);
    expect(error.metadata.get('x-ratelimit-limit-requests')).toBe('1');
    expect(error.metadata.get('x-ratelimit-remaining-requests')).toBe('0');
  });

  test('of more tokens than there are in a minute is not to be repeated', async () => {
    const { url } = await start('limits: { classes: { default: { tokens_per_minute: 50 } } }');
    const reply = await ask(url);
    expect(reply.status).toBe(429);
    expect(reply.headers.get('x-should-retry')).toBe('false');
    expect(reply.headers.get('retry-after')).toBeNull();
    expect(await reply.text()).toMatch(/50 tokens within a minute: this one may use 1\d\d, which is more/);
  });

  test('is tried again by the SDKs when they are told to', async () => {
    const { url } = await start(
      'limits: { classes: { default: { burst_limit: 1, cooldown: 0, requests_per_minute: 0 } } }',
    );
    const openai = openaiClient(url, { maxRetries: 3 });
    const messages = [{ role: 'user' as const, content: 'Hi' }];
    await openai.chat.completions.create({ model: 'shop/m', messages });
    const began = performance.now();
    await openai.chat.completions.create({ model: 'shop/m', messages });
    expect(performance.now() - began).toBeGreaterThan(500);
    await anthropicClient(url, { maxRetries: 3 }).messages.create({
      model: 'shop/m',
      max_tokens: 9,
      messages,
    });
    expect(model.asked).toHaveLength(3);
  });

  test('models and health are never refused', async () => {
    const { url } = await start(perMinute(1));
    await ask(url);
    expect((await ask(url)).status).toBe(429);
    for (const route of ['/v1/models', '/health', '/v1/usage', '/rate-limit/status'])
      expect((await fetch(`${url}${route}`)).status).toBe(200);
  });
});

describe('headers', () => {
  test('of every reply tell how the tightest limits stand', async () => {
    const { url } = await start(
      'limits: { classes: { default: { requests_per_minute: 9, requests_per_hour: 5, tokens_per_minute: 9000, burst_limit: 0 } } }',
    );
    const before = Date.now() / 1_000;
    for (const stream of [false, true]) {
      const { headers } = await ask(url, { body: { stream } });
      expect(headers.get('x-ratelimit-limit-requests')).toBe('5');
      expect(headers.get('x-ratelimit-remaining-requests')).toBe(stream ? '3' : '4');
      expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^(59m59(\.\d+)?s|1h0m[01](\.\d+)?s)$/);
      expect(headers.get('x-ratelimit-limit-tokens')).toBe('9000');
      expect(Number(headers.get('x-ratelimit-remaining-tokens'))).toBeGreaterThan(8_700);
      expect(headers.get('x-ratelimit-reset-tokens')).toMatch(/^(59\.\d+s|1m0(\.\d+)?s)$/);
      expect(headers.get('x-ratelimit-limit')).toBe('5');
      expect(Number(headers.get('x-ratelimit-reset')) - before).toBeGreaterThan(3_590);
      expect(headers.get('access-control-expose-headers') ?? 'x-ratelimit-reset-tokens').toContain(
        'x-ratelimit-reset-tokens',
      );
    }
    const messages = await ask(url, { route: 'messages', body: { stream: true } });
    expect(messages.headers.get('anthropic-ratelimit-requests-remaining')).toBe('2');
    expect(messages.headers.get('anthropic-ratelimit-tokens-reset')).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}Z$/);
    model.script = [({ socket }) => void socket.write('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n')];
    const failed = await ask(url);
    expect(failed.status).toBe(502);
    expect(failed.headers.get('x-ratelimit-remaining-requests')).toBe('1');
    const both = await start(
      'limits: { classes: { default: { requests_per_minute: 7 } }, providers: { shop: { requests_per_minute: 2 } } }',
    );
    model.script = [({ socket }) => void socket.write('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n')];
    const broken = await ask(both.url);
    expect([broken.status, broken.headers.get('x-ratelimit-limit-requests')]).toEqual([502, '7']);
    await ask(both.url);
    const refused = await ask(both.url);
    expect([refused.status, refused.headers.get('x-ratelimit-limit-requests')]).toEqual([429, '2']);
    const embeddings = await ask(url, {
      route: 'embeddings',
      body: { model: 'shop/nothing', input: 'x', messages: undefined, max_tokens: undefined },
    });
    expect(embeddings.headers.get('x-ratelimit-limit-requests')).toBe('5');
  });

  test('browsers may read them', async () => {
    const { url } = await start(perMinute(9));
    const { headers } = await ask(url, { headers: { origin: 'http://app.example' } });
    expect(headers.get('access-control-expose-headers')).toContain('x-ratelimit-reset-tokens');
    expect(headers.get('access-control-expose-headers')).toContain('x-ratelimit-limit');
  });

  test.each(Object.keys(rpcTransports) as RpcFace[])('on %s they are metadata', async (face) => {
    const { url } = await start(perMinute(5));
    const request = {
      model: 'shop/m',
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'Hi' } } }] }],
    };
    let metadata = new Headers();
    const onHeader = (headers: Headers): void => {
      metadata = headers;
    };
    const { callReport } = await chatClient(face, url).createChatCompletion(request, { onHeader });
    expect(metadata.get('x-ratelimit-remaining-requests')).toBe('4');
    expect(callReport?.rateLimits?.requests).toMatchObject({ limit: 5n, remaining: 4n });
    for await (const _ of chatClient(face, url).streamChatCompletion(request, { onHeader }));
    expect(metadata.get('x-ratelimit-remaining-requests')).toBe('3');
  });
});

describe('owners', () => {
  test('have their own limits, by their class', async () => {
    const yaml =
      'limits: { classes: { default: { requests_per_minute: 1 }, premium: { requests_per_minute: 2 } }, users: { vip: premium } }';
    const { url } = await start(yaml, {}, { authenticate: byHeader });
    const count = async (headers: Record<string, string>): Promise<number> => {
      let passed = 0;
      while (passed < 9 && (await ask(url, { headers })).status === 200) passed++;
      return passed;
    };
    expect(await count({ 'x-who': 'alice' })).toBe(1);
    expect(await count({ 'x-who': 'bob', 'x-class': 'premium' })).toBe(2);
    expect(await count({ 'x-who': 'vip' })).toBe(2);
    expect(await count({ 'x-who': 'carol', 'x-class': 'unheard-of' })).toBe(1);
  });

  test('with keys and no limits configured fall under the usual ones', async () => {
    const { url } = await start('', {}, { authenticate: byHeader });
    const { headers } = await ask(url, { headers: { 'x-who': 'alice' } });
    expect(headers.get('x-ratelimit-limit')).toBe('60');
    const open = await start('limits: { mode: "off" }', {}, { authenticate: byHeader });
    expect((await ask(open.url)).headers.get('x-ratelimit-limit')).toBeNull();
  });

  test('a burst is followed by a pause', async () => {
    const { url } = await start('limits: { classes: { default: { burst_limit: 3, cooldown: 100s } } }');
    const replies = await Promise.all(Array.from({ length: 10 }, () => ask(url)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(3);
    const refused = await ask(url);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(95);
    expect(await refused.text()).toContain('there is a pause of 100 s');
  });

  test('status and reset', async () => {
    const { url } = await start('', {}, { authenticate: byHeader });
    const status = async (query: string, who = 'root') => {
      const reply = await fetch(`${url}/rate-limit/status${query}`, { headers: { 'x-who': who } });
      return { code: reply.status, body: (await reply.json()) as Record<string, unknown> };
    };
    expect((await status('?user_id=alice')).body).toEqual({
      user_id: 'alice',
      tenant: '',
      status: 'no_activity',
      requests_this_minute: 0,
      requests_this_hour: 0,
      tokens_this_minute: 0,
      burst_count: 0,
      cooldown_remaining: 0,
    });
    await ask(url, { headers: { 'x-who': 'alice' } });
    expect((await status('?user_id=alice', 'alice')).body).toMatchObject({
      user_id: 'alice',
      status: 'normal',
      rule: { requests_per_minute: 60, requests_per_hour: 1_000, tokens_per_minute: 50_000, burst_limit: 10 },
      current_usage: { requests_this_minute: 1, requests_this_hour: 1, tokens_this_minute: 12 },
      limits: { cooldown_remaining: 0, next_request_allowed: 0 },
    });
    expect((await status('?user_id=alice', 'bob')).code).toBe(403);
    // Their own, and nothing of others.
    expect((await status('', 'alice')).body).toEqual((await status('?user_id=alice', 'alice')).body);
    expect((await status('', 'bob')).body).toMatchObject({ user_id: 'bob', status: 'no_activity' });
    expect((await status('')).body).toMatchObject({
      global_requests_last_minute: 1,
      global_tokens_last_minute: 12,
      active_users: 1,
      special_rules_count: 0,
    });
    const reset = (body: string | null, who: string) =>
      fetch(`${url}/admin/reset-limits`, { method: 'POST', headers: { 'x-who': who }, body });
    expect((await reset(null, 'alice')).status).toBe(403);
    expect(await (await reset('{"user_id":"alice"}', 'root')).json()).toEqual({
      reset: true,
      user_id: 'alice',
      tenants: [''],
    });
    expect((await status('?user_id=alice')).body).toMatchObject({ status: 'no_activity' });
    await ask(url, { headers: { 'x-who': 'alice' } });
    expect(await (await reset(null, 'root')).json()).toEqual({ reset: true, user_id: null });
    expect((await status('')).body).toMatchObject({ active_users: 0 });

    const admin = createClient(AdminService, rpcTransports['Connect JSON over HTTP/1.1'](url));
    await ask(url, { headers: { 'x-who': 'alice' } });
    const asRoot = { headers: { 'x-who': 'root' } };
    expect((await admin.getRateLimitStatus({ owner: 'alice' }, asRoot)).owner?.requestsThisHour).toBe(1n);
    expect((await admin.getRateLimitStatus({}, asRoot)).summary?.activeOwners).toBe(1n);
    await admin.resetRateLimits({}, asRoot);
    expect((await admin.getRateLimitStatus({ owner: 'alice' }, asRoot)).owner?.status).toBe('no_activity');
    for (const refusedCall of [admin.getRateLimitStatus({ owner: 'alice' }), admin.resetRateLimits({})])
      await expect(refusedCall).rejects.toMatchObject({ code: Code.PermissionDenied });
  });
});

describe('tokens', () => {
  const yaml =
    'limits: { classes: { default: { tokens_per_minute: 1000, requests_per_minute: 10, burst_limit: 0 } } }';
  const usedOf = async (
    url: string,
  ): Promise<{ requests_this_minute: number; tokens_this_minute: number; in_flight: number }> =>
    ((await (await fetch(`${url}/rate-limit/status?user_id=anonymous`)).json()) as { current_usage: never })
      .current_usage;

  test('set aside are settled by what was used, streamed or not', async () => {
    const { url } = await start(yaml);
    await (await ask(url)).text();
    await (await ask(url, { body: { stream: true } })).text();
    await (await ask(url, { route: 'messages', body: { stream: true } })).text();
    await until(async () => (await usedOf(url)).tokens_this_minute === 36);
    expect((await usedOf(url)).requests_this_minute).toBe(3);
  });

  test('and requests come back when nothing was answered, by no fault of the client’s', async () => {
    const { url } = await start(yaml);
    await ask(url);
    model.script = [({ socket }) => void socket.write('HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n')];
    expect((await ask(url)).status).toBe(502);
    expect(await usedOf(url)).toMatchObject({ requests_this_minute: 1, tokens_this_minute: 12 });
    expect((await ask(url, { body: { temperature: 'hot' } })).status).toBe(400);
    expect(await usedOf(url)).toMatchObject({ requests_this_minute: 1 });
  });

  test('of an answer that its client left count as far as it came', async () => {
    const { url } = await start(yaml);
    model.script = [
      ({ socket }) =>
        void socket.write(STREAM_HEAD + chunked(chunkOf({ role: 'assistant', content: 'one two three' }))),
    ];
    const leave = new AbortController();
    const reply = await ask(url, { body: { stream: true }, signal: leave.signal });
    await reply.body!.getReader().read();
    expect((await usedOf(url)).tokens_this_minute).toBeGreaterThan(100);
    leave.abort();
    await until(async () => (await usedOf(url)).tokens_this_minute < 100);
    expect((await usedOf(url)).tokens_this_minute).toBeGreaterThan(3);
    expect((await usedOf(url)).in_flight).toBe(0);
  });
});

describe('calls at the same time', () => {
  const yaml =
    'limits: { classes: { default: { requests_per_minute: 0, requests_per_hour: 0, tokens_per_minute: 0, burst_limit: 0, concurrent: 3 } } }';

  test('are as many as there may be, and a place is free before its reply ends', async () => {
    const { url } = await start(yaml);
    const { held } = holding();
    const replies = Array.from({ length: 50 }, () => ask(url));
    let refused = 0;
    for (const reply of replies) void reply.then(({ status }) => void (refused += status === 429 ? 1 : 0));
    await until(() => refused === 47 && held.length === 3);
    for (const answer of held) answer();
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(3);
    model.script = [];
    // Each one after the other has the place of the one before.
    for (let i = 0; i < 20; i++) {
      const three = await Promise.all([1, 2, 3].map((n) => ask(url, { body: { stream: n > 1 } })));
      expect(three.map(({ status }) => status)).toEqual([200, 200, 200]);
      await Promise.all(three.map((reply) => reply.text()));
    }
  });

  test('streams hold their place until the end; clients that leave give it back', async () => {
    const { url } = await start(yaml.replace('concurrent: 3', 'concurrent: 1'));
    model.script = [1, 2].map(
      () =>
        ({ socket }) =>
          void socket.write(STREAM_HEAD + chunked(chunkOf({ role: 'assistant', content: 'x' }))),
    );
    const leave = new AbortController();
    const reply = await ask(url, { body: { stream: true }, signal: leave.signal });
    await reply.body!.getReader().read();
    const refused = await ask(url);
    expect(refused.status).toBe(429);
    expect(await refused.text()).toContain('1 calls at the same time');
    leave.abort();
    model.script = [];
    await until(async () => (await ask(url)).status === 200);
    const { held } = holding();
    const early = new AbortController();
    const gone = ask(url, { signal: early.signal }).catch(() => {});
    await until(() => held.length === 1);
    expect((await ask(url)).status).toBe(429);
    early.abort();
    await gone;
    model.script = [];
    await until(async () => (await ask(url)).status === 200);
  });
});

describe('limits of a provider', () => {
  test('send a call elsewhere where it may go, without harm to the breaker', async () => {
    const gateway = await start(
      'limits: { mode: on, classes: { default: { burst_limit: 0 } }, providers: { shop: { requests_per_minute: 2 } } }\nfallbacks: { shop/m: [other/m] }\n',
      { LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '1' },
    );
    const used: (string | null)[] = [];
    for (let i = 0; i < 4; i++) used.push((await ask(gateway.url)).headers.get('x-provider-used'));
    expect(used).toEqual(['shop', 'shop', 'other', 'other']);
    const refused = await ask(gateway.url, { body: { model: 'shop/alone' } });
    expect(refused.status).toBe(429);
    expect(await refused.text()).toContain('rate limit of provider shop reached: 2 requests within a minute');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50);
    expect(gateway.log.filter(({ message }) => String(message).includes('breaker'))).toEqual([]);
    // It was no request of the owner's, since nothing came of it.
    const status = await (await fetch(`${gateway.url}/rate-limit/status?user_id=anonymous`)).json();
    expect(status).toMatchObject({ current_usage: { requests_this_minute: 4 } });
  });
});

describe.skipIf(!hasRedis)('two gateways with one Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis('--appendfsync', 'no');
  });
  afterEach(() => redis.cli('FLUSHALL'));
  afterAll(() => redis?.stop());

  const pair = async (yaml: string, parts: OwnParts = {}): Promise<RunningGateway[]> => {
    const env = { LLM_GATEWAY_REDIS_URL: redis.url };
    const both = [await start(yaml, env, parts), await start(yaml, env, parts)];
    await until(() => both.every(({ log }) => log.some(({ message }) => message === 'redis answers')));
    return both;
  };
  /** Nothing but what is given. */
  const only = (given: Record<string, number>): string =>
    JSON.stringify({
      requests_per_minute: 0,
      requests_per_hour: 0,
      tokens_per_minute: 0,
      burst_limit: 0,
      ...given,
    });
  const off = only({});
  /** How many of 50 clients of each gateway get through. */
  const storm = async (gateways: readonly RunningGateway[], body: object = {}): Promise<number> => {
    const replies = await Promise.all(
      gateways.flatMap(({ url }) => Array.from({ length: 50 }, () => ask(url, { body }))),
    );
    const statuses = replies.map(({ status }) => status);
    expect(new Set([...statuses, 200, 429])).toEqual(new Set([200, 429]));
    return statuses.filter((status) => status === 200).length;
  };

  test.each([
    ['requests of a minute', `classes: { default: ${only({ requests_per_minute: 37 })} }`],
    ['requests of an hour', `classes: { default: ${only({ requests_per_hour: 37 })} }`],
    ['requests of each key', `classes: { default: ${off} }, each_key: { requests_per_minute: 37 }`],
    ['all requests', `classes: { default: ${off} }, global: { requests_per_minute: 37 }`],
    [
      'requests of a provider',
      `classes: { default: ${off} }, providers: { shop: { requests_per_minute: 37 } }`,
    ],
    ['a burst', `classes: { default: ${only({ burst_limit: 37, cooldown: 60 })} }`],
  ])('%s: not one too many, and not one too few', async (_name, limits) => {
    const gateways = await pair(`limits: { ${limits} }`);
    expect(await storm(gateways)).toBe(37);
    expect(model.asked).toHaveLength(37);
  });

  test('tokens: never too many, and not fewer than what is set aside for calls under way leaves', async () => {
    const gateways = await pair(`limits: { classes: { default: ${only({ tokens_per_minute: 1000 })} } }`);
    let passed = 0;
    for (let i = 0; i < 4; i++) passed += await storm(gateways);
    // A call sets about 110 aside and uses 12.
    expect(passed * 12).toBeLessThanOrEqual(1_000);
    expect(passed * 12).toBeGreaterThan(1_000 - 120 * 9);
    const status = await (await fetch(`${gateways[1]!.url}/rate-limit/status?user_id=anonymous`)).json();
    expect(status).toMatchObject({ current_usage: { tokens_this_minute: passed * 12 } });
  });

  test.each([
    'classes: { default: Y }',
    'classes: { default: X }, global: { concurrent: 7 }',
    'classes: { default: X }, providers: { shop: { concurrent: 7 } }',
  ])('calls at the same time: %s', async (limits) => {
    const gateways = await pair(
      `limits: { mode: on, ${limits.replace('X', off).replace('Y', only({ concurrent: 7 }))} }`,
    );
    const { held } = holding();
    const replies = gateways.flatMap(({ url }) => Array.from({ length: 50 }, () => ask(url)));
    let refused = 0;
    for (const reply of replies) void reply.then(({ status }) => void (refused += status === 429 ? 1 : 0));
    await until(() => refused === 93 && held.length === 7);
    for (const answer of held) answer();
    await Promise.all(replies);
    model.script = [];
    await until(async () => (await storm(gateways.slice(0, 1), { stream: true })) >= 7);
  });

  test('places of one that was killed are free after their lease, and those of the living are kept', async () => {
    const env = {
      LLM_GATEWAY_CONFIG: configured(
        `limits: { lease: 1s, classes: { default: ${only({ concurrent: 2 })} } }`,
      ),
      LLM_GATEWAY_REDIS_URL: redis.url,
      LLM_GATEWAY_DATA_DIR: folder,
    };
    const dying: GatewayProcess = await startGatewayProcess(env);
    const living = await startGateway(env);
    running.push(living);
    await until(() =>
      [living.log, dying.lines].every((lines) => lines.some(({ message }) => message === 'redis answers')),
    );
    const { held } = holding();
    const lost = ask(dying.url).catch(() => null);
    const kept = ask(living.url);
    await until(() => held.length === 2);
    expect((await ask(living.url)).status).toBe(429);
    await dying.kill();
    await lost;
    const began = performance.now();
    model.script = [];
    let passed = 0;
    await until(async () => {
      passed += (await ask(living.url)).status === 200 ? 1 : 0;
      return passed > 0;
    });
    expect(performance.now() - began).toBeLessThan(3_000);
    // The one that goes on still has its place, longer than one lease.
    holding();
    const second = ask(living.url).catch(() => null);
    await until(() => model.asked.length === 4);
    await until(() => performance.now() - began > 2_500);
    expect((await ask(living.url)).status).toBe(429);
    for (const answer of held) answer();
    expect((await kept).status).toBe(200);
    await living.stop();
    running.pop();
    await second;
  }, 30_000);

  test.each(['SIGKILL', 'SIGSTOP'] as const)(
    'places of calls that were over while Redis was away (%s) are free once it is back, long before their lease is over',
    async (signal) => {
      const own = await startRedis();
      const gateway = await start(
        `limits: { lease: 30s, classes: { default: ${only({ concurrent: 2 })} } }`,
        { LLM_GATEWAY_REDIS_URL: own.url },
      );
      const said = (text: string): number => gateway.log.filter(({ message }) => message === text).length;
      await until(() => said('redis answers') === 1);
      const { held } = holding();
      const calls = [ask(gateway.url), ask(gateway.url)];
      await until(() => held.length === 2);
      expect((await ask(gateway.url)).status).toBe(429);
      if (signal === 'SIGKILL') await own.kill();
      else own.signal(signal);
      for (const answer of held) answer();
      expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
      model.script = [];
      // The store has been told, and has not answered.
      await ask(gateway.url);
      if (signal === 'SIGKILL') await own.start();
      else own.signal('SIGCONT');
      const back = performance.now();
      await until(
        async () =>
          (await ask(gateway.url)).status === 200 && said('limits are counted in the store again') > 0,
      );
      expect(performance.now() - back).toBeLessThan(10_000);
      await own.stop();
    },
    40_000,
  );

  test('a Redis that is out of reach refuses nobody; each counts by itself, and says so once', async () => {
    const own = await startRedis();
    const gateway = await start(perMinute(5), { LLM_GATEWAY_REDIS_URL: own.url });
    const said = (text: string): number => gateway.log.filter(({ message }) => message === text).length;
    await until(() => said('redis answers') === 1);
    expect((await ask(gateway.url)).status).toBe(200);
    await own.kill();
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push((await ask(gateway.url)).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(5);
    expect(said('limits are counted by this gateway alone')).toBe(1);
    await own.start();
    await until(async () => {
      await ask(gateway.url);
      return said('limits are counted in the store again') === 1;
    });
    await own.stop();
  });
});

describe('one process', () => {
  test.each(['memory', 'file'])('counts exactly in %s', async (where) => {
    const { url } = await start(perMinute(37), { LLM_GATEWAY_RATE_LIMIT_EMBEDDED: where });
    const replies = await Promise.all(Array.from({ length: 100 }, () => ask(url)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(37);
  });
});
