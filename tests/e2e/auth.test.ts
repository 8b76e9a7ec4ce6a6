import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Health } from '../../gen/grpc/health/v1/health_pb.js';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { ModelsService } from '../../gen/llmgateway/v1/models_service_pb.js';
import { SessionService } from '../../gen/llmgateway/v1/session_service_pb.js';
import { ToolService } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { newSecret } from '../../src/auth/secret-form.ts';
import { type Issuer, startIssuer } from '../auth/support/issuer.ts';
import { anthropicClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

const one = 'planted-key-of-tenant-one-1111';
const two = 'planted-key-of-tenant-two-2222';
const narrow = 'planted-key-that-is-narrow-3333';
const nick = 'planted-key-of-an-alias-5555';
const old = 'planted-key-that-is-old-4444';
const off = 'planted-key-that-is-off-5555';
const adminToken = 'planted-admin-token-6666';

let folder: string;
let issuer: Issuer;
let gateway: RunningGateway;
beforeAll(async () => {
  issuer = await startIssuer();
  folder = mkdtempSync(path.join(tmpdir(), 'auth-'));
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    `
auth:
  tokens:
    - issuer: ${issuer.issuer}
      audience: gateway
      jwks_url: ${issuer.jwksUrl}
      claims: { models: models, admin: admin }
models:
  - { id: fake/named, provider: fake, upstream_id: 'refuse?words=2', aliases: [nick, nick-two] }
keys:
  - { id: one, key: ${one} }
  - { id: two, key: ${two} }
  - { id: narrow, key: ${narrow}, models: ['fake/echo*'] }
  - { id: nick, key: ${nick}, models: [nick] }
  - { id: old, key: ${old}, expires: 2020-01-01 }
  - { id: off, key: ${off}, disabled: true }
`,
  );
  gateway = await startGateway({
    LLM_GATEWAY_RATE_LIMITS: 'off',
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_ADMIN_TOKEN: adminToken,
    LLM_GATEWAY_TOOL_ALLOWED_HOSTS: 'api.example.com',
    OPENAI_API_KEY: '',
  });
});
afterAll(async () => {
  await gateway.stop();
  issuer.server.close();
  rmSync(folder, { recursive: true });
});

const as =
  (key: string | null, name = 'authorization'): Interceptor =>
  (next) =>
  (request) => {
    if (key !== null) request.header.set(name, name === 'authorization' ? `Bearer ${key}` : key);
    return next(request);
  };
const transports = {
  Connect: (interceptor: Interceptor) =>
    createConnectTransport({ baseUrl: gateway.url, httpVersion: '1.1', interceptors: [interceptor] }),
  gRPC: (interceptor: Interceptor) =>
    createGrpcTransport({ baseUrl: gateway.url, interceptors: [interceptor] }),
  'gRPC-Web': (interceptor: Interceptor) =>
    createGrpcWebTransport({ baseUrl: gateway.url, httpVersion: '1.1', interceptors: [interceptor] }),
} as const;
type Protocol = keyof typeof transports;
const protocols = Object.keys(transports) as Protocol[];

const request = (model = 'fake/echo') => ({
  model,
  messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'hi' } } }] }],
});
const call = async (protocol: Protocol, interceptor: Interceptor, stream: boolean, model?: string) => {
  const client = createClient(ChatService, transports[protocol](interceptor));
  if (!stream) return void (await client.createChatCompletion(request(model)));
  for await (const _ of client.streamChatCompletion(request(model)));
};
const errorOf = async (promise: Promise<unknown>): Promise<ConnectError> => {
  try {
    await promise;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error('it did not fail');
};
const reasonOf = (error: ConnectError): string =>
  ErrorReason[error.findDetails(ErrorDetailSchema)[0]?.reason ?? 0] as string;
const rest = (method: string, route: string, key: string | null, body?: unknown, header = 'authorization') =>
  fetch(`${gateway.url}${route}`, {
    method,
    headers: {
      ...(key === null ? {} : { [header]: header === 'authorization' ? `Bearer ${key}` : key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const chat = { model: 'fake/echo', messages: [{ role: 'user', content: 'hi' }] };

describe('without a key that is right', () => {
  test('OpenAI’s SDK gets its AuthenticationError', async () => {
    const error = await openaiClient(gateway.url, { apiKey: 'wrong' })
      .chat.completions.create({ model: 'fake/echo', messages: [{ role: 'user', content: 'hi' }] })
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key', type: 'authentication_error' });
  });

  test('Anthropic’s SDK gets its AuthenticationError', async () => {
    const error = await anthropicClient(gateway.url, { apiKey: 'wrong' })
      .messages.create({ model: 'fake/echo', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] })
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(Anthropic.AuthenticationError);
    expect((error as { error: unknown }).error).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error', message: 'the API key is not valid' },
    });
  });

  test.each(protocols.flatMap((protocol) => [true, false].map((stream) => [protocol, stream] as const)))(
    '%s says UNAUTHENTICATED; streamed: %s',
    async (protocol, stream) => {
      for (const key of [null, 'wrong', newSecret()]) {
        const error = await errorOf(call(protocol, as(key), stream));
        expect([error.code, reasonOf(error)]).toEqual([Code.Unauthenticated, 'UNAUTHENTICATED']);
      }
    },
  );

  test.each([
    ['POST', '/v1/chat/completions', chat],
    ['POST', '/v1/responses', { model: 'fake/echo', input: 'hi' }],
    ['POST', '/v1/messages', { ...chat, max_tokens: 9 }],
    ['POST', '/v1/embeddings', { model: 'fake/embed', input: 'x' }],
    ['GET', '/v1/models', undefined],
    ['GET', '/models', undefined],
    ['GET', '/v1/sessions', undefined],
    ['GET', '/v1/tools', undefined],
    ['POST', '/v1/conversations', {}],
    ['POST', '/mcp', { jsonrpc: '2.0', id: 1, method: 'tools/list' }],
    ['GET', '/nowhere', undefined],
    ['GET', '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', undefined],
  ])('%s %s is refused, and says how to prove who one is', async (method, route, body) => {
    const response = await rest(method, route, null, body);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="llm-gateway"');
    expect(response.headers.get('x-request-id')).not.toBeNull();
    expect(await response.text()).toContain('API key is missing');
  });

  test.each([
    [old, 'the API key has expired'],
    [off, 'the API key is disabled'],
    [`${one}x`, 'the API key is not valid'],
    [one.slice(0, -1), 'the API key is not valid'],
    ['x'.repeat(9_000), 'the API key is not valid'],
  ])('%s is refused', async (key, message) => {
    const response = await rest('GET', '/v1/models', key);
    expect([
      response.status,
      ((await response.json()) as { error: { message: string } }).error.message,
    ]).toEqual([401, message]);
  });

  test('health and what says what this is stay open', async () => {
    for (const route of ['/', '/health', '/health/live', '/health/ready'])
      expect((await rest('GET', route, null)).status).toBe(200);
    for (const protocol of protocols)
      await createClient(Health, transports[protocol](as(null))).check({ service: '' });
    const preflight = await fetch(`${gateway.url}/v1/models`, {
      method: 'OPTIONS',
      headers: { origin: 'https://page.example', 'access-control-request-method': 'GET' },
    });
    expect(preflight.status).toBe(204);
  });
});

describe('a key that may ask for an alias alone', () => {
  const ask = async (model: string) =>
    (await rest('POST', '/v1/chat/completions', nick, { ...chat, model })).status;

  test('is shown the alias, by which it may ask, and not the id', async () => {
    const { data } = (await (await rest('GET', '/v1/models', nick)).json()) as { data: { id: string }[] };
    expect(data).toMatchObject([{ id: 'nick', llm_gateway: { upstream_id: 'refuse?words=2' } }]);
    expect(JSON.stringify(data)).not.toMatch(/fake\/named|nick-two/);
    expect(await ask('nick')).toBe(200);
    expect((await rest('GET', '/v1/models/nick', nick)).status).toBe(200);
    const { providers } = (await (await rest('GET', '/v1/providers', nick)).json()) as {
      providers: Record<string, string[]>;
    };
    expect(providers['fake']).toEqual(['nick']);
    for (const name of ['fake/named', 'nick-two']) {
      expect(await ask(name)).toBe(403);
      expect((await rest('GET', `/v1/models/${name}`, nick)).status).toBe(403);
    }
  });
});

describe('with a key', () => {
  test.each(['authorization', 'x-api-key', 'api-key'])('in %s all faces serve', async (header) => {
    expect((await rest('POST', '/v1/chat/completions', one, chat, header)).status).toBe(200);
    for (const protocol of protocols) await call(protocol, as(one, header), true);
  });

  test('the official SDKs are served', async () => {
    const answer = await openaiClient(gateway.url, { apiKey: one }).chat.completions.create({
      model: 'fake/echo',
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(answer.choices[0]?.message.content).toBe('hi');
    const message = await anthropicClient(gateway.url, { apiKey: one }).messages.create({
      model: 'fake/echo',
      max_tokens: 9,
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(message.content).toMatchObject([{ type: 'text', text: 'hi' }]);
  });

  test('of a token as well', async () => {
    const token = await issuer.token();
    expect((await rest('POST', '/v1/chat/completions', token, chat)).status).toBe(200);
    for (const protocol of protocols) await call(protocol, as(token), false);
    const few = await issuer.token({ models: ['gpt-*'] });
    expect((await rest('POST', '/v1/chat/completions', few, chat)).status).toBe(403);
  });

  test('nobody is told why a model is not there that they may not ask anyway', async () => {
    const cases = [
      [{ ...chat, model: 'gemini-2.5-pro' }, 'model'],
      [{ ...chat, fallbacks: ['fake/echo', 'gemini-2.5-pro'] }, 'fallbacks[1]'],
    ] as const;
    for (const [body, param] of cases) {
      const response = await rest('POST', '/v1/chat/completions', narrow, body);
      const message = 'this key may not ask model "gemini-2.5-pro"';
      expect([response.status, await response.json()]).toMatchObject([403, { error: { param, message } }]);
      expect((await rest('POST', '/v1/chat/completions', one, body)).status).toBe(400);
    }
  });

  test('what is no name is told of where it stands', async () => {
    const body = { ...chat, fallbacks: ['fake/echo', 'openai/'] };
    const response = await rest('POST', '/v1/chat/completions', narrow, body);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { param: 'fallbacks[1]' } },
    ]);
  });

  test('other models than its own are refused by name, on every face', async () => {
    const response = await rest('POST', '/v1/chat/completions', narrow, { ...chat, model: 'fake/other' });
    expect([response.status, await response.json()]).toMatchObject([
      403,
      {
        error: {
          code: 'permission_denied',
          param: 'model',
          message: 'this key may not ask model "fake/other"',
        },
      },
    ]);
    const anthropic = await anthropicClient(gateway.url, { apiKey: narrow })
      .messages.create({ model: 'fake/other', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] })
      .catch((cause: unknown) => cause);
    expect(anthropic).toBeInstanceOf(Anthropic.PermissionDeniedError);
    for (const protocol of protocols) {
      const error = await errorOf(call(protocol, as(narrow), true, 'fake/other'));
      expect([error.code, reasonOf(error)]).toEqual([Code.PermissionDenied, 'PERMISSION_DENIED']);
    }
    const made = await rest('POST', '/v1/responses', narrow, { model: 'fake/other', input: 'x' });
    expect(made.status).toBe(403);
    expect((await rest('POST', '/v1/chat/completions', narrow, chat)).status).toBe(200);
  });

  test('the list has the models that it may ask', async () => {
    const idsOf = async (key: string): Promise<string[]> =>
      ((await (await rest('GET', '/v1/models', key)).json()) as { data: { id: string }[] }).data.map(
        ({ id }) => id,
      );
    expect((await idsOf(narrow)).every((id) => id.startsWith('fake/echo'))).toBe(true);
    expect(await idsOf(narrow)).toContain('fake/echo');
    expect((await idsOf(one)).length).toBeGreaterThan((await idsOf(narrow)).length);
    const { models } = await createClient(ModelsService, transports.gRPC(as(narrow))).listModels({});
    expect(models.map(({ id }) => id)).toEqual(await idsOf(narrow));
  });
});

describe('tenants', () => {
  const both = async (route: string, method = 'GET', body?: unknown): Promise<number[]> =>
    Promise.all([one, two].map(async (key) => (await rest(method, route, key, body)).status));
  const idOf = async (route: string, body: unknown): Promise<string> => {
    const response = await rest('POST', route, one, body);
    expect(response.status).toBeLessThan(300);
    return ((await response.json()) as { id: string }).id;
  };

  test('do not see each other’s sessions', async () => {
    const id = await idOf('/v1/sessions', {});
    expect(await both(`/v1/sessions/${id}`)).toEqual([200, 404]);
    expect((await rest('DELETE', `/v1/sessions/${id}`, two)).status).toBe(404);
    const use = await rest('POST', '/v1/chat/completions', two, { ...chat, session_id: id });
    expect(use.status).toBe(404);
    for (const protocol of protocols) {
      const client = createClient(SessionService, transports[protocol](as(two)));
      expect((await errorOf(client.getSession({ id }))).code).toBe(Code.NotFound);
      expect((await client.listSessions({})).sessions).toEqual([]);
    }
    expect(await (await rest('GET', '/v1/sessions', two)).text()).not.toContain(id);
  });

  test('do not see each other’s responses', async () => {
    const id = await idOf('/v1/responses', { model: 'fake/echo', input: 'secret of one' });
    expect(await both(`/v1/responses/${id}`)).toEqual([200, 404]);
    expect(await both(`/v1/responses/${id}/input_items`)).toEqual([200, 404]);
    expect((await rest('DELETE', `/v1/responses/${id}`, two)).status).toBe(404);
    expect((await rest('POST', `/v1/responses/${id}/cancel`, two)).status).toBe(404);
    const chained = { model: 'fake/echo', input: 'and?', previous_response_id: id };
    expect((await rest('POST', '/v1/responses', two, chained)).status).toBe(400);
    expect((await rest('POST', '/v1/responses', one, chained)).status).toBe(200);
  });

  test('do not see each other’s conversations', async () => {
    const id = await idOf('/v1/conversations', { items: [{ type: 'message', role: 'user', content: 'x' }] });
    expect(await both(`/v1/conversations/${id}`)).toEqual([200, 404]);
    expect(await both(`/v1/conversations/${id}/items`)).toEqual([200, 404]);
    const use = { model: 'fake/echo', input: 'x', conversation: id };
    expect((await rest('POST', '/v1/responses', two, use)).status).toBe(404);
  });

  test('do not see each other’s tools', async () => {
    const tool = {
      name: 'only_one',
      description: 'd',
      parameters: { type: 'object' },
      handler: { type: 'http', url: 'https://api.example.com/' },
    };
    expect((await rest('POST', '/v1/tools', one, tool)).status).toBe(201);
    const has = async (key: string) =>
      (await (await rest('GET', '/v1/tools', key)).text()).includes('only_one');
    expect([await has(one), await has(two)]).toEqual([true, false]);
    const { tools } = await createClient(ToolService, transports.gRPC(as(two))).listTools({});
    expect(tools.map(({ name }) => name)).not.toContain('only_one');
    expect((await rest('POST', '/v1/tools/execute', two, { name: 'only_one' })).status).toBe(404);
    expect((await rest('DELETE', '/v1/tools/only_one', two)).status).toBe(404);
    const mcp = async (key: string): Promise<string> => {
      const response = await fetch(`${gateway.url}/mcp`, {
        method: 'POST',
        headers: {
          'x-api-key': key,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
      });
      return response.text();
    };
    expect([(await mcp(one)).includes('only_one'), (await mcp(two)).includes('only_one')]).toEqual([
      true,
      false,
    ]);
  });
});

describe('administrators', () => {
  const admin = (key: string | null = adminToken, protocol: Protocol = 'gRPC') =>
    createClient(AdminService, transports[protocol](as(key)));

  test.each(protocols)('make, change and revoke keys on %s, which takes effect', async (protocol) => {
    const client = admin(adminToken, protocol);
    const { key, secret } = await client.createKey({
      name: 'n',
      tenant: 't',
      models: { patterns: ['fake/echo'] },
    });
    expect(key).toMatchObject({ name: 'n', tenant: 't', owner: key?.id, hint: secret.slice(0, 8) });
    expect((await rest('POST', '/v1/chat/completions', secret, chat)).status).toBe(200);
    await call(protocol, as(secret), true);
    const id = key?.id ?? '';
    await client.updateKey({ id, disabled: true });
    expect((await rest('POST', '/v1/chat/completions', secret, chat)).status).toBe(401);
    const updated = await client.updateKey({
      id,
      disabled: false,
      models: { patterns: ['x'] },
      budget: { usd: 3 },
    });
    expect(updated.key).toMatchObject({ disabled: false, budget: { usd: 3, per: 2 } });
    expect((await rest('POST', '/v1/chat/completions', secret, chat)).status).toBe(403);
    expect((await client.getKey({ id })).key?.models?.patterns).toEqual(['x']);
    await client.revokeKey({ id });
    expect((await rest('POST', '/v1/chat/completions', secret, chat)).status).toBe(401);
    expect((await errorOf(client.updateKey({ id, name: 'y' }))).code).toBe(Code.InvalidArgument);
    expect((await client.listKeys({})).keys.map((one) => one.id)).toContain(id);
    await client.revokeKey({ id, forget: true });
    expect((await errorOf(client.getKey({ id }))).code).toBe(Code.NotFound);
  });

  test('make, change and revoke keys on REST', async () => {
    const made = await rest('POST', '/admin/keys', adminToken, {
      name: 'rest',
      owner: 'o',
      models: ['fake/*'],
      budget: { usd: 10, per: 'day' },
      expires_at: '2099-01-01T00:00:00Z',
    });
    expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store']);
    const { key: secret, ...key } = (await made.json()) as Record<string, string>;
    expect(key).toMatchObject({
      object: 'api_key',
      owner: 'o',
      tenant: 'o',
      models: ['fake/*'],
      budget: { usd: 10, per: 'day' },
      expires_at: '2099-01-01T00:00:00.000Z',
      revoked_at: null,
    });
    expect((await rest('POST', '/v1/chat/completions', secret ?? '', chat)).status).toBe(200);
    const route = `/admin/keys/${key['id']}`;
    const changed = await rest('PATCH', route, adminToken, {
      budget: null,
      models: null,
      rate_class: 'premium',
    });
    expect(await changed.json()).toMatchObject({
      budget: null,
      models: null,
      rate_class: 'premium',
      owner: 'o',
    });
    const moved = { name: 'm', tenant: 't', admin: true, disabled: true };
    expect(await (await rest('PATCH', route, adminToken, moved)).json()).toMatchObject(moved);
    const fields = ['name', 'owner', 'tenant', 'rate_class', 'admin', 'disabled', 'expires_at'];
    const cleared = await rest(
      'PATCH',
      route,
      adminToken,
      Object.fromEntries(fields.map((field) => [field, null])),
    );
    expect(await cleared.json()).toMatchObject({
      name: '',
      owner: key['id'],
      tenant: key['id'],
      rate_class: 'default',
      admin: false,
      disabled: false,
      expires_at: null,
    });
    const list = (await (await rest('GET', '/admin/keys?limit=1', adminToken)).json()) as {
      data: { id: string }[];
    };
    expect(list.data.map(({ id }) => id)).toEqual([key['id']]);
    expect((await rest('DELETE', route, adminToken)).status).toBe(200);
    expect((await rest('POST', '/v1/chat/completions', secret ?? '', chat)).status).toBe(401);
    expect((await rest('DELETE', `${route}?forget=true`, adminToken)).status).toBe(200);
    expect((await rest('GET', route, adminToken)).status).toBe(404);
  });

  test.each([
    [{ nonsense: 1 }, 'nonsense'],
    [{ budget: { usd: 0 } }, 'budget.usd'],
    [{ budget: { usd: 1, per: 'year' } }, 'budget.per'],
    [{ models: [] }, 'models'],
    [{ expires_at: 'soon' }, 'expires_at'],
    [{ expires_at: '2001-01-01T00:00:00Z' }, 'expires_at'],
    [{ owner: ' x' }, 'owner'],
    [{ admin: 'yes' }, 'admin'],
    [{ rate_class: 'premum' }, 'rate_class'],
  ])('are told what is wrong with %j', async (body, field) => {
    const response = await rest('POST', '/admin/keys', adminToken, body);
    expect([response.status, ((await response.json()) as { error: { param: string } }).error.param]).toEqual([
      400,
      field,
    ]);
  });

  test('are those with the token, or a key or token that says so', async () => {
    expect((await rest('GET', '/admin/keys', null)).status).toBe(401);
    expect((await rest('GET', '/admin/keys', `${adminToken}x`)).status).toBe(401);
    expect((await rest('GET', '/admin/keys', one)).status).toBe(403);
    expect((await errorOf(admin(null).listKeys({}))).code).toBe(Code.Unauthenticated);
    expect((await errorOf(admin(one).listKeys({}))).code).toBe(Code.PermissionDenied);
    await admin(await issuer.token({ admin: true })).listKeys({});
    expect((await errorOf(admin(await issuer.token({ admin: 'no' })).listKeys({}))).code).toBe(
      Code.PermissionDenied,
    );
    const { secret } = await admin().createKey({ admin: true });
    await admin(secret).listKeys({});
  });
});

test('without any of it everybody is served, and nobody is an administrator', async () => {
  const open = await startGateway();
  const ask = (route: string, headers: Record<string, string> = {}) =>
    fetch(`${open.url}${route}`, { headers });
  expect((await ask('/v1/models', { authorization: 'Bearer whatever' })).status).toBe(200);
  expect((await ask('/admin/keys')).status).toBe(403);
  expect((await ask('/admin/keys', { authorization: 'Bearer whatever' })).status).toBe(403);
  await open.stop();
});

test('with an admin token alone everybody is served, and the administrator as well', async () => {
  const open = await startGateway({ ADMIN_TOKEN: adminToken });
  const ask = (route: string, token: string) =>
    fetch(`${open.url}${route}`, { headers: { authorization: `Bearer ${token}` } });
  expect((await ask('/v1/models', 'whatever')).status).toBe(200);
  expect((await ask('/admin/keys', adminToken)).status).toBe(200);
  expect((await ask('/admin/keys', 'whatever')).status).toBe(401);
  await open.stop();
});

test('what clients prove themselves with goes to no provider, and into no log', async () => {
  const seen: string[] = [];
  const upstream = createServer((request, response) => {
    seen.push(JSON.stringify(request.rawHeaders));
    request.resume();
    response.writeHead(500, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: `refused ${request.headers.authorization}` } }));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => upstream.once('listening', resolve));
  const { port } = upstream.address() as AddressInfo;
  const own = await startGateway({
    LLM_GATEWAY_API_KEYS: `${one}\n${two}`,
    OPENAI_API_KEY: 'planted-provider-key-7777',
    LLM_GATEWAY_OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`,
  });
  const replies: string[] = [];
  for (const headers of [{ authorization: `Bearer ${one}` }, { 'x-api-key': two }, { 'x-api-key': narrow }]) {
    const response = await fetch(`${own.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ ...chat, model: 'openai/m' }),
    });
    replies.push(`${response.status} ${await response.text()}`);
  }
  await own.stop();
  upstream.close();
  expect(replies.map((reply) => reply.slice(0, 3))).toEqual(['502', '502', '401']);
  expect(seen.length).toBe(2);
  for (const text of [...seen, ...replies, JSON.stringify(own.log), JSON.stringify(gateway.log)])
    for (const secret of [one, two, narrow, adminToken]) expect(text).not.toContain(secret);
  expect(JSON.stringify([own.log, replies])).not.toContain('planted-provider-key-7777');
});
