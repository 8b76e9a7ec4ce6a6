import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { type RestError, user } from '../support/sessions.ts';
import { builtInNames, registration, toolsAt } from '../support/tools.ts';

const answers = ({ log }: RunningGateway): Promise<void> =>
  until(() => log.filter(({ module }) => module === 'store').at(-1)?.['message'] === 'redis answers');
const errorOf = async (response: Response) => ((await response.json()) as RestError).error;
const reply = (body: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = await startUpstream();
});
afterAll(() => upstream.close());

describe.skipIf(!hasRedis)('gateways on one Redis', () => {
  let redis: RedisServer;
  let gateways: RunningGateway[];
  beforeAll(async () => {
    redis = await startRedis();
    const env = {
      LLM_GATEWAY_REDIS_URL: redis.url,
      LLM_GATEWAY_TOOL_ALLOWED_HOSTS: `127.0.0.1:${upstream.port}`,
      LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES: 'true',
    };
    gateways = await Promise.all([1, 2].map(() => startGateway(env)));
    for (const gateway of gateways) await answers(gateway);
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
    await redis.stop();
  });

  test('have the same registered tools at once', async () => {
    const [one, two] = gateways.map(({ url }) => toolsAt(url));
    expect((await one!.register(registration(`${upstream.origin}/x`))).status).toBe(201);
    expect(await two!.names()).toEqual([...builtInNames, 'lookup']);
    const running = two!.execute({ name: 'lookup', arguments: { q: 'a' } });
    (await upstream.request()).socket.write(reply('{"found":1}'));
    expect(await (await running).json()).toMatchObject({ result: { found: 1 }, success: true });
    expect((await two!.register(registration(`${upstream.origin}/x`))).status).toBe(409);
    expect((await two!.delete('lookup')).status).toBe(204);
    expect(await one!.names()).toEqual(builtInNames);
    expect((await one!.execute({ name: 'lookup', arguments: { q: 'a' } })).status).toBe(404);
  });

  test('say so when it is away, and run what is built in', async () => {
    const { url } = gateways[0]!;
    const tools = toolsAt(url);
    redis.signal('SIGSTOP');
    const began = performance.now();
    for (const asked of [
      tools.list(),
      tools.register(registration(`${upstream.origin}/x`)),
      tools.delete('lookup'),
      tools.execute({ name: 'lookup', arguments: { q: 'a' } }),
    ]) {
      const response = await asked;
      expect([response.status, (await errorOf(response)).code]).toEqual([503, 'dependency_unavailable']);
    }
    expect((await tools.execute({ name: 'echo', arguments: { message: 'x' } })).status).toBe(200);
    const chat = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fake/echo', messages: [user('hello')] }),
    });
    expect(chat.status).toBe(200);
    expect(performance.now() - began).toBeLessThan(2_000);
    redis.signal('SIGCONT');
    await answers(gateways[0]!);
    await until(async () => (await tools.list()).status === 200);
  });

  test('do not ask it where no hosts are allowed', async () => {
    const gateway = await startGateway({ LLM_GATEWAY_REDIS_URL: 'redis://127.0.0.1:9' });
    const tools = toolsAt(gateway.url);
    expect(await tools.names()).toEqual(builtInNames);
    expect((await tools.execute({ name: 'lookup' })).status).toBe(404);
    const refused = await tools.register(registration('https://api.example.com/'));
    expect([refused.status, (await errorOf(refused)).message]).toEqual([
      403,
      expect.stringContaining('LLM_GATEWAY_TOOL_ALLOWED_HOSTS'),
    ]);
    await gateway.stop();
  });
});

describe('a registered tool on a gateway that allows public addresses only', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway({
      LLM_GATEWAY_TOOL_ALLOWED_HOSTS: `localhost:${upstream.port}, 127.0.0.1:${upstream.port}, [::1]:${upstream.port}`,
    });
  });
  afterAll(() => gateway.stop());

  test.each([
    'http://127.0.0.1',
    'https://127.0.0.1',
    'https://[::1]',
    'https://2130706433',
    'http://localhost',
  ])('cannot be registered at %s', async (origin) => {
    const response = await toolsAt(gateway.url).register(registration(`${origin}:${upstream.port}/`));
    const { param, message } = await errorOf(response);
    expect([response.status, param]).toEqual([403, 'handler.url']);
    expect(message).toContain('LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES');
  });

  test('does not connect where its name turns out to mean an inner address', async () => {
    const tools = toolsAt(gateway.url);
    const before = upstream.connections();
    expect((await tools.register(registration(`https://localhost:${upstream.port}/`))).status).toBe(201);
    expect(await (await tools.execute({ name: 'lookup', arguments: { q: 'a' } })).json()).toEqual({
      name: 'lookup',
      result: null,
      success: false,
      error:
        'Tool execution failed: the host has an address that is not of the public network, and LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES is not true',
    });
    expect(upstream.connections()).toBe(before);
  });
});

test('tools stay when the gateway starts again with its folder', async () => {
  const env = { LLM_GATEWAY_TOOL_ALLOWED_HOSTS: '*.example.com' };
  const first = await startGateway(env);
  const dataDir = first.gateway.config.dataDir;
  await toolsAt(first.url).register(registration('https://api.example.com/'));
  await first.gateway.close();
  const second = await startGateway({ ...env, LLM_GATEWAY_DATA_DIR: dataDir });
  expect(await toolsAt(second.url).names()).toEqual([...builtInNames, 'lookup']);
  await second.stop();
  await first.stop();
});
