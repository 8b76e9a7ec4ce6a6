import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { QueryService } from '../../gen/llmgateway/v1/query_service_pb.js';
import { answered, chunked, STREAM_HEAD } from '../http/support/upstream.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { startJsonServer } from '../support/json-server.ts';
import { bodyOf } from '../support/platform.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { chunkOf, type ScriptedModel, startModel } from '../support/scripted-model.ts';

let model: ScriptedModel;
const running: RunningGateway[] = [];
beforeAll(async () => {
  model = await startModel();
});
afterEach(async () => {
  model.script = [];
  model.asked.length = 0;
  for (const gateway of running.splice(0)) await gateway.stop();
});
afterAll(() => model?.close());

const openai = (): Record<string, string> => ({
  OPENAI_API_KEY: 'sk-test',
  LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
});

async function start(env: Record<string, string> = {}): Promise<RunningGateway> {
  const gateway = await startGateway({ ...openai(), ...env });
  running.push(gateway);
  return gateway;
}

const post = (
  { url }: RunningGateway,
  route: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(`${url}/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const failing =
  (status: number, body: unknown = { error: { message: 'no' } }) =>
  ({ socket }: { socket: NodeJS.WritableStream }): void => {
    const text = answered(JSON.stringify(body)).replace('200 OK', `${status} Oops`);
    socket.write(text.replace('text/plain', 'application/json'));
  };

describe('errors', () => {
  test.each([
    ['query', '{', 400, 'validation_error', 'body'],
    ['query', {}, 400, 'validation_error', 'prompt'],
    ['query', { prompt: '' }, 400, 'validation_error', 'prompt'],
    ['query', { prompt: '  ' }, 400, 'validation_error', 'prompt'],
    ['query', { prompt: 'x', context: 3 }, 400, 'validation_error', 'context'],
    ['query', { prompt: 'x', temperature: 3 }, 400, 'validation_error', 'temperature'],
    ['query', { prompt: 'x', max_tokens: 0 }, 400, 'validation_error', 'max_tokens'],
    ['query', { prompt: 'x', tempreature: 1 }, 400, 'validation_error', 'tempreature'],
    ['chat', { prompt: 'x', provider: 'nobody' }, 400, 'validation_error', 'provider'],
    ['chat', { prompt: 'x', provider: 'anthropic' }, 400, 'validation_error', 'model'],
    ['stream', { prompt: 'x', force_refresh: 1 }, 400, 'validation_error', 'force_refresh'],
    ['embeddings', { text: '' }, 400, 'validation_error', 'text'],
    ['embeddings', { text: 'x', dims: 3 }, 400, 'validation_error', 'dims'],
    ['embeddings', { text: 'x', provider: 'grok' }, 400, 'validation_error', 'model'],
  ])('POST /%s with %j has its status and form', async (route, body, status, code, field) => {
    const response = await post(await start(), route, body, { 'x-correlation-id': 'mine' });
    expect(response.status).toBe(status);
    expect(response.headers.get('x-correlation-id')).toBe('mine');
    expect(response.headers.get('x-request-id')).toBeTruthy();
    expect(await bodyOf(response)).toEqual({
      success: false,
      message: expect.any(String),
      error_code: code,
      details: expect.objectContaining({ field }),
      correlation_id: 'mine',
    });
  });

  test.each([
    [500, 502, 'provider_error'],
    [401, 502, 'provider_error'],
    [429, 429, 'rate_limit_exceeded'],
    [503, 503, 'service_unavailable'],
    [400, 400, 'validation_error'],
  ])('a provider that answers %i makes a %i', async (given, status, code) => {
    model.script = [failing(given)];
    for (const route of ['query', 'stream']) {
      model.script = [failing(given)];
      const response = await post(await start(), route, { prompt: 'x', model: 'gpt-4o' });
      expect(response.status).toBe(status);
      expect(await bodyOf(response)).toMatchObject({ success: false, error_code: code });
    }
  });

  test('without any provider the gateway says so', async () => {
    const gateway = await startGateway();
    running.push(gateway);
    const response = await post(gateway, 'query', { prompt: 'Hello, world!' });
    expect(response.status).toBe(503);
    expect(await bodyOf(response)).toMatchObject({ error_code: 'service_unavailable' });
  });

  test('what is refused before the route is known has the same form', async () => {
    const gateway = await start({ LLM_GATEWAY_API_KEYS: 'a-key-of-sixteen-characters' });
    const response = await post(gateway, 'query', { prompt: 'x' });
    expect(response.status).toBe(401);
    expect(await bodyOf(response)).toMatchObject({ success: false, error_code: 'unauthorized' });
    const get = await fetch(`${gateway.url}/query`, {
      headers: { 'x-api-key': 'a-key-of-sixteen-characters' },
    });
    expect(get.status).toBe(405);
    for (const path of ['/v1/cache/status', '/cache/clear', '/v1/cache/clear', '/providers']) {
      const unknown = await fetch(`${gateway.url}${path}`);
      expect([path, await bodyOf(unknown)]).toMatchObject([path, { error_code: 'unauthorized' }]);
      const headers = { 'x-api-key': 'a-key-of-sixteen-characters' };
      const wrong = await fetch(`${gateway.url}${path}`, { method: 'PUT', headers });
      expect([path, wrong.status, await bodyOf(wrong)]).toMatchObject([path, 405, { success: false }]);
    }
  });

  test('texts are bounded in bytes, as on RPC, a context that is an object as well', async () => {
    const gateway = await start({ LLM_GATEWAY_MAX_BODY_BYTES: '32MiB' });
    const long = 'é'.repeat(2 ** 21 + 1);
    for (const [field, body] of [
      ['prompt', { prompt: long }],
      ['context', { prompt: 'x', context: long }],
      ['context', { prompt: 'x', context: { long } }],
    ] as const) {
      const response = await post(gateway, 'query', body);
      expect([response.status, await bodyOf(response)]).toMatchObject([400, { details: { field } }]);
    }
  });

  test('a conversation is made by a call that was let in only', async () => {
    const gateway = await start({
      LLM_GATEWAY_LIMITS: 'on',
      LLM_GATEWAY_RATE_LIMIT_REQUESTS_PER_MINUTE: '1',
    });
    const ask = (conversation: string) =>
      post(gateway, 'query', { prompt: 'x', user_id: 'ann', conversation_id: conversation });
    const statuses: number[] = [];
    for (const conversation of ['a', 'b', 'c']) statuses.push((await ask(conversation)).status);
    expect(statuses).toEqual([200, 429, 429]);
    const { data } = await bodyOf(await fetch(`${gateway.url}/v1/sessions`));
    expect(data).toHaveLength(1);
  });

  test('limits hold for a user, and for nobody else', async () => {
    const gateway = await start({
      LLM_GATEWAY_LIMITS: 'on',
      LLM_GATEWAY_RATE_LIMIT_REQUESTS_PER_MINUTE: '2',
    });
    const ask = (user: string) => post(gateway, 'query', { prompt: 'x', user_id: user });
    await ask('ann');
    await ask('ann');
    const refused = await ask('ann');
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await bodyOf(refused)).toMatchObject({
      error_code: 'rate_limit_exceeded',
      details: { limit: 2, retry_after: expect.any(Number) },
    });
    expect((await ask('ben')).status).toBe(200);
  });
});

describe('the envelope', () => {
  test('is there on demand, and has the same object', async () => {
    const gateway = await start();
    for (const route of ['query', 'chat']) {
      const response = await post(gateway, route, { prompt: 'x' }, { 'x-response-envelope': 'true' });
      const { success, data, ...flat } = await bodyOf(response);
      expect(success).toBe(true);
      expect(data).toEqual(flat);
      expect(flat).toMatchObject({ response: 'done', provider: 'openai' });
    }
    const wrong = await post(gateway, 'query', { prompt: 'x' }, { 'x-response-envelope': 'maybe' });
    expect(wrong.status).toBe(400);
  });
});

describe('the provider', () => {
  test('is the cheapest that is available, and then the next one', async () => {
    const ollama = await startJsonServer({
      '/api/tags': () => ({ models: [{ name: 'llama3:latest', model: 'llama3:latest' }] }),
      '/api/show': () => ({ capabilities: ['completion'] }),
    });
    let isUp = true;
    ollama.routes['/api/chat'] = (_got, response) => {
      if (isUp) {
        return {
          model: 'llama3',
          message: { role: 'assistant', content: 'local' },
          done: true,
          done_reason: 'stop',
        };
      }
      response.writeHead(500).end('{"error":"no"}');
      return undefined;
    };
    const gateway = await start({ LLM_GATEWAY_OLLAMA_BASE_URL: ollama.origin });
    await until(async () => {
      const { providers } = (await bodyOf(await fetch(`${gateway.url}/providers`))) as {
        providers: { name: string; status: string }[];
      };
      return providers.find(({ name }) => name === 'ollama')?.status === 'available';
    });
    for (const provider of [undefined, 'auto', 'AUTO']) {
      expect(await bodyOf(await post(gateway, 'query', { prompt: 'x', provider }))).toMatchObject({
        response: 'local',
        provider: 'ollama',
      });
    }
    expect(ollama.got.filter(({ path }) => path === '/api/tags')).toHaveLength(1);
    expect(await bodyOf(await post(gateway, 'query', { prompt: 'x', provider: 'openai' }))).toMatchObject({
      provider: 'openai',
    });
    isUp = false;
    expect(await bodyOf(await post(gateway, 'query', { prompt: 'y' }))).toMatchObject({
      response: 'done',
      provider: 'openai',
    });
    ollama.close();
  });

  test.each([
    [{ provider: 'fake', model: 'echo' }, 'fake'],
    [{ provider: 'fake', model: 'fake/echo' }, 'fake'],
    [{ provider: 'fake' }, 'fake'],
    [{ model: 'fake/echo' }, 'fake'],
    [{ provider: 'auto', model: 'fake/echo' }, 'fake'],
  ])('is the one of %j', async (asked, provider) => {
    const response = await post(await start(), 'query', { prompt: 'x', ...asked });
    expect(await bodyOf(response)).toMatchObject({ provider, response: 'x' });
    expect(response.headers.get('x-provider-used')).toBe(provider);
  });

  test('models that reason get none of the usual parameters', async () => {
    const gateway = await start();
    await post(gateway, 'query', { prompt: 'x', model: 'gpt-5-mini' });
    expect(model.asked[0]).not.toHaveProperty('temperature');
    expect(model.asked[0]).not.toHaveProperty('max_completion_tokens');
    await post(gateway, 'query', { prompt: 'x', model: 'gpt-4o' });
    expect(model.asked[1]).toMatchObject({ temperature: 0.7, max_completion_tokens: 1024 });
  });

  test('is only one that the key may ask', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'queries-'));
    const gateway = await start({
      LLM_GATEWAY_QUERY_PROVIDERS: 'fake,openai',
      LLM_GATEWAY_DATA_DIR: folder,
      LLM_GATEWAY_AUTH_REQUIRED: 'true',
      LLM_GATEWAY_ADMIN_TOKEN: 'an-admin-token-of-some-length',
    });
    const admin = { authorization: 'Bearer an-admin-token-of-some-length' };
    const { key: secret } = (await bodyOf(
      await post(gateway, 'admin/keys', { name: 'k', models: ['gpt-*'] }, admin),
    )) as { key: string };
    const response = await post(gateway, 'query', { prompt: 'x' }, { authorization: `Bearer ${secret}` });
    expect(await bodyOf(response)).toMatchObject({ provider: 'openai' });
    const refused = await post(
      gateway,
      'query',
      { prompt: 'x', provider: 'fake' },
      { authorization: `Bearer ${secret}` },
    );
    expect(await bodyOf(refused)).toMatchObject({ error_code: 'forbidden' });
    rmSync(folder, { recursive: true, force: true });
  });
});

describe('the cache', () => {
  test('answers again, but when a new answer is wanted, and never what must not be stored', async () => {
    const gateway = await start({ LLM_GATEWAY_CACHE: 'true' });
    const ask = async (more: object = {}, headers: Record<string, string> = {}) =>
      bodyOf(await post(gateway, 'query', { prompt: 'x', ...more }, headers));
    expect(await ask()).toMatchObject({ cached: false, provider: 'openai' });
    expect(await ask()).toMatchObject({ cached: true, provider: 'cache', tokens_used: 0, cost: null });
    expect(await ask({ force_refresh: true })).toMatchObject({ cached: false });
    expect(await ask({}, { 'cache-control': 'no-cache' })).toMatchObject({ cached: false });
    expect(await ask({}, { 'cache-control': 'no-store' })).toMatchObject({ cached: false });
    expect(model.asked).toHaveLength(4);
  });

  test('is that of chat completions', async () => {
    const gateway = await start({ LLM_GATEWAY_CACHE: 'true' });
    await post(gateway, 'query', { prompt: 'x', model: 'gpt-4o', temperature: 1, max_tokens: 5 });
    const messages = [{ role: 'user', content: 'x' }];
    const same = { model: 'gpt-4o', temperature: 1, max_completion_tokens: 5, messages };
    const response = await post(gateway, 'v1/chat/completions', same);
    expect(response.headers.get('x-cache')).toBe('HIT');
  });
});

describe('conversations', () => {
  const speakOver = async (one: RunningGateway, two: RunningGateway): Promise<void> => {
    model.script = [{ text: 'Hello Ann.' }, { text: 'You are Ann.' }];
    const talk = { conversation_id: 'conv_123', user_id: 'ann' };
    const first = await post(one, 'chat', { ...talk, prompt: 'I am Ann.', context: 'Be brief.' });
    expect(await bodyOf(first)).toMatchObject({ response: 'Hello Ann.' });
    const second = await post(two, 'chat', { ...talk, prompt: 'Who am I?', context: 'Be kind.' });
    expect(await bodyOf(second)).toMatchObject({ response: 'You are Ann.', cached: false });
    expect(model.messages()).toEqual([
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'I am Ann.' },
      { role: 'assistant', content: 'Hello Ann.' },
      { role: 'user', content: 'Who am I?' },
    ]);
    // Somebody else's of the same name is another one.
    await post(one, 'chat', { ...talk, user_id: 'ben', prompt: 'Who am I?' });
    expect(model.messages()).toEqual([{ role: 'user', content: 'Who am I?' }]);
  };

  test('go on after a restart', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'queries-'));
    const first = await startGateway({ ...openai(), LLM_GATEWAY_DATA_DIR: folder });
    model.script = [{ text: 'Hello Ann.' }];
    await post(first, 'chat', { prompt: 'I am Ann.', conversation_id: 'c' });
    await first.gateway.close();
    const second = await start({ LLM_GATEWAY_DATA_DIR: folder });
    await post(second, 'query', { prompt: 'Who am I?', conversation_id: 'c' });
    expect(model.messages()).toHaveLength(3);
    rmSync(folder, { recursive: true, force: true });
  });

  test('a failed answer is not remembered; streams are', async () => {
    const gateway = await start();
    model.script = [failing(500), { text: 'streamed' }];
    await post(gateway, 'chat', { prompt: 'one', conversation_id: 'c' });
    await (await post(gateway, 'stream', { prompt: 'two', conversation_id: 'c' })).text();
    await post(gateway, 'chat', { prompt: 'three', conversation_id: 'c' });
    expect(model.messages()).toEqual([
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'streamed' },
      { role: 'user', content: 'three' },
    ]);
  });

  test('prompts at the same time take turns', async () => {
    const gateway = await start();
    await Promise.all(
      ['a', 'b', 'c', 'd'].map((prompt) => post(gateway, 'chat', { prompt, conversation_id: 'busy' })),
    );
    await post(gateway, 'chat', { prompt: 'e', conversation_id: 'busy' });
    const said = model.messages().map(({ role }) => role);
    expect(said).toEqual([
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
      'assistant',
      'user',
    ]);
  });

  describe.skipIf(!hasRedis)('over two gateways with one Redis', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await startRedis();
    });
    afterAll(() => redis?.stop());

    test('go on at either', async () => {
      const env = { LLM_GATEWAY_REDIS_URL: redis.url };
      const [one, two] = await Promise.all([start(env), start(env)]);
      for (const { url } of [one, two]) {
        await until(async () => {
          const { checks } = await bodyOf(await fetch(`${url}/health/ready`));
          return (checks as { redis: boolean }).redis;
        });
      }
      await speakOver(one, two);
    });
  });

  test('go on in one gateway', async () => {
    const gateway = await start();
    await speakOver(gateway, gateway);
  });
});

describe('streams', () => {
  test('that break off end with an error and [DONE]', async () => {
    model.script = [
      ({ socket }) => {
        socket.write(STREAM_HEAD + chunkOf({ role: 'assistant', content: 'Half' }));
        socket.end();
      },
    ];
    const response = await post(await start(), 'stream', { prompt: 'x' }, { 'x-correlation-id': 'mine' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-correlation-id')).toBe('mine');
    const frames = (await response.text()).split('\n\n').filter((frame) => frame !== '');
    expect(JSON.parse(frames[0]?.slice(6) ?? '')).toEqual({ chunk: 'Half', finished: false });
    expect(JSON.parse(frames.at(-2)?.slice(6) ?? '')).toEqual({
      error: expect.any(String),
      error_code: 'provider_error',
      correlation_id: 'mine',
    });
    expect(frames.at(-1)).toBe('data: [DONE]');
  });

  test('an answer without words ends as well', async () => {
    model.script = [{ text: '' }];
    const text = await (await post(await start(), 'stream', { prompt: 'x' })).text();
    expect(text).toBe('data: {"chunk":"","finished":true}\n\ndata: [DONE]\n\n');
  });

  test('a client that leaves stops the provider', async () => {
    const left = Promise.withResolvers<void>();
    model.script = [
      ({ socket }) => {
        socket.on('close', () => left.resolve());
        socket.on('error', () => {});
        socket.write(STREAM_HEAD + chunkOf({ role: 'assistant', content: 'Word' }));
      },
    ];
    const gateway = await start();
    const request = http.request(`${gateway.url}/stream`, { method: 'POST' });
    request.on('error', () => {});
    request.end(JSON.stringify({ prompt: 'x', conversation_id: 'c' }));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    await once(response, 'data');
    request.destroy();
    await left.promise;
    // Nothing of it is remembered, and nobody waits for it.
    await post(gateway, 'chat', { prompt: 'y', conversation_id: 'c' });
    expect(model.messages()).toEqual([{ role: 'user', content: 'y' }]);
  });
});

describe.each(Object.keys(rpcTransports) as (keyof typeof rpcTransports)[])('by %s', (face) => {
  test('prompts are answered, whole, in pieces and as vectors', async () => {
    const gateway = await start();
    const client = createClient(QueryService, rpcTransports[face](gateway.url));
    model.script = [{ text: 'one' }, { text: 'two' }, { text: 'three words here' }];
    const headers = { 'x-correlation-id': 'mine' };
    const { answer } = await client.query({ query: { prompt: 'x', context: 'c' } }, { headers });
    expect(answer).toMatchObject({
      response: 'one',
      provider: 'openai',
      tokensUsed: 12,
      cached: false,
      correlationId: 'mine',
      callReport: { provider: 'openai' },
    });
    expect(answer?.cost).toBeGreaterThan(0);
    const chat = await client.chat({ query: { prompt: 'x', contextJson: '{"a":1}', conversationId: 'k' } });
    expect(chat.answer?.response).toBe('two');
    expect(model.messages()[0]).toEqual({ role: 'system', content: '{"a":1}' });
    let text = '';
    let last: unknown;
    for await (const piece of client.streamQuery({ query: { prompt: 'x' } })) {
      text += piece.chunk;
      last = piece;
    }
    expect(text).toBe('three words here');
    expect(last).toMatchObject({ finished: true, answer: { provider: 'openai', tokensUsed: 12 } });
    const vector = await client.embedText({ text: 'x', provider: 'fake', model: 'embed' });
    expect(vector).toMatchObject({ provider: 'fake', model: 'embed', dimensions: vector.embeddings.length });
    expect(vector.dimensions).toBeGreaterThan(0);
  });

  test('errors name the field', async () => {
    const gateway = await start();
    const client = createClient(QueryService, rpcTransports[face](gateway.url));
    await expect(client.query({})).rejects.toMatchObject({ code: 3 });
    await expect(client.query({ query: { prompt: ' ' } })).rejects.toMatchObject({
      code: 3,
      rawMessage: expect.stringContaining('query.prompt'),
    });
    await expect(client.query({ query: { prompt: 'x', contextJson: '[]' } })).rejects.toMatchObject({
      rawMessage: expect.stringContaining('query.context_json'),
    });
    const pieces = client.streamQuery({ query: { prompt: 'x', provider: 'nobody' } });
    await expect(pieces[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 3 });
  });
});

test('half characters at the end of a piece wait for their other half', async () => {
  model.script = [
    ({ socket }) => {
      socket.write(STREAM_HEAD);
      for (const content of ['a\\ud83d', '\\ude00b']) {
        socket.write(
          chunked(
            `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null}]}\n\n`,
          ),
        );
      }
      socket.write(`${chunkOf({}, 'stop')}${chunked('data: [DONE]\n\n')}0\r\n\r\n`);
    },
  ];
  const gateway = await start();
  const client = createClient(QueryService, rpcTransports.gRPC(gateway.url));
  let text = '';
  for await (const { chunk } of client.streamQuery({ query: { prompt: 'x' } })) text += chunk;
  expect(text).toBe('a😀b');
});
