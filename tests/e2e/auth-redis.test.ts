import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';

const adminToken = 'planted-admin-token-6666';

describe.skipIf(!hasRedis)('two gateways on a Redis', () => {
  let redis: RedisServer;
  let gateways: RunningGateway[];
  beforeAll(async () => {
    redis = await startRedis();
    const env = {
      LLM_GATEWAY_REDIS_URL: redis.url,
      LLM_GATEWAY_ADMIN_TOKEN: adminToken,
      LLM_GATEWAY_AUTH_REQUIRED: 'true',
      LLM_GATEWAY_KEY_CACHE_SECONDS: '200ms',
    };
    gateways = [await startGateway(env), await startGateway(env)];
    await until(async () => (await ask(0, 'POST', '/admin/keys', adminToken, {})).status === 201);
  });
  afterAll(async () => {
    redis?.signal('SIGCONT');
    for (const gateway of gateways ?? []) await gateway.stop();
    await redis?.stop();
  });

  const ask = (which: number, method: string, route: string, key: string, body?: unknown) =>
    fetch(`${gateways[which]?.url}${route}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const chat = async (which: number, key: string): Promise<number> => {
    const messages = [{ role: 'user', content: 'hi' }];
    return (await ask(which, 'POST', '/v1/chat/completions', key, { model: 'fake/echo', messages })).status;
  };
  const newKey = async (body: unknown = {}): Promise<{ id: string; key: string }> =>
    (await (await ask(0, 'POST', '/admin/keys', adminToken, body)).json()) as { id: string; key: string };

  test('a key made at one is taken at the other at once, and revoked at both', async () => {
    const { id, key } = await newKey();
    expect([await chat(1, key), await chat(0, key)]).toEqual([200, 200]);
    await ask(1, 'DELETE', `/admin/keys/${id}`, adminToken);
    expect(await chat(1, key)).toBe(401);
    await until(async () => (await chat(0, key)) === 401, 2_000);
  });

  test('a response that goes on at another gateway keeps what its maker may', async () => {
    const { key } = await newKey({ models: ['fake/echo'], tenant: 'background' });
    const made = await ask(0, 'POST', '/v1/responses', key, {
      model: 'fake/echo',
      input: 'x',
      background: true,
    });
    const { id } = (await made.json()) as { id: string };
    await until(async () => {
      const reply = await ask(1, 'GET', `/v1/responses/${id}`, key);
      return ((await reply.json()) as { status: string }).status === 'completed';
    });
    const [name = ''] = (await redis.cli('KEYS', `*${id}*`)).split('\n').filter((one) => one.endsWith('}'));
    expect(JSON.parse(await redis.cli('HGET', name, 'maker'))).toMatchObject({
      tenant: 'background',
      models: ['fake/echo'],
    });
  });

  test('no secret is in the store', async () => {
    const { id, key } = await newKey();
    const all = await redis.cli('HGETALL', 'llmgateway:keys:{keys}:bodies');
    expect(all).toContain(id);
    expect(all).not.toContain(key);
  });

  test('while Redis is away a key that was in use goes on, and an unknown one is not said to be wrong', async () => {
    const [{ key }, { key: other }] = [await newKey(), await newKey()];
    expect(await chat(0, key)).toBe(200);
    redis.signal('SIGSTOP');
    expect(await chat(0, key)).toBe(200);
    await until(async () => (await chat(0, other)) === 503);
    expect(await chat(0, key)).toBe(200);
    expect(await chat(0, other)).toBe(503);
    expect(await chat(0, `${other.slice(0, -1)}-`)).toBe(401);
    redis.signal('SIGCONT');
    await until(async () => (await chat(0, other)) === 200);
    const lines = gateways[0]?.log.map((line) => JSON.stringify(line)).join('\n') ?? '';
    for (const secret of [key, other, adminToken]) expect(lines).not.toContain(secret);
  });
});
