import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { type Issuer, startIssuer } from '../auth/support/issuer.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

const adminToken = 'admin-token-0123456789';
const keyOf = (name: string): string => `key-${name}-0123456789-0123456789`;

let model: ScriptedModel;
let folder: string;
let issuer: Issuer;
let redis: RedisServer | undefined;
const running: RunningGateway[] = [];
beforeAll(async () => {
  model = await startModel();
  issuer = await startIssuer();
  folder = mkdtempSync(path.join(tmpdir(), 'owners-'));
  if (hasRedis) redis = await startRedis();
});
afterEach(async () => {
  model.script = [];
  for (const gateway of running.splice(0)) await gateway.stop();
});
afterAll(async () => {
  model?.close();
  issuer?.server.close();
  await redis?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(yaml: string, env: Record<string, string> = {}): Promise<RunningGateway> {
  const file = path.join(folder, `gateway-${running.length}.yaml`);
  writeFileSync(
    file,
    `providers:
  shop: { base_url: "${model.upstream.origin}/v1", api_key: k }
models:
  - { id: shop/dear, provider: shop, price: { input: 10000, output: 20000 } }
${yaml}`,
  );
  const gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_ADMIN_TOKEN: adminToken,
    ...env,
  });
  running.push(gateway);
  if (env['LLM_GATEWAY_REDIS_URL'] !== undefined)
    await until(() => gateway.log.some(({ message }) => message === 'redis answers'));
  return gateway;
}

type Body = Record<string, unknown>;

async function send(
  { url }: RunningGateway,
  method: string,
  route: string,
  key: string,
  body?: object,
): Promise<{ status: number; body: Body }> {
  const reply = await fetch(`${url}${route}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, body: (await reply.json()) as Body };
}

const ask = (gateway: RunningGateway, key: string) =>
  send(gateway, 'POST', '/v1/chat/completions', key, {
    model: 'shop/dear',
    messages: [{ role: 'user', content: 'Hi' }],
    max_tokens: 10,
  });

const classes = `limits:
  classes:
    small: { requests_per_minute: 2 }
    default: { requests_per_minute: 50, burst_limit: 0 }
keys:
  - { id: small, key: ${keyOf('small')}, rate_class: small }
  - { id: a, key: ${keyOf('a')}, owner: ops, tenant: t1, rate_class: small }
  - { id: b, key: ${keyOf('b')}, owner: ops, tenant: t2 }
  - { id: idle, key: ${keyOf('idle')}, owner: idle, tenant: t1, rate_class: small }
`;

const stores: [string, () => Record<string, string>][] = [
  ['memory', () => ({})],
  ['the data folder', () => ({ LLM_GATEWAY_RATE_LIMIT_EMBEDDED: 'file' })],
];
if (hasRedis) stores.push(['Redis', () => ({ LLM_GATEWAY_REDIS_URL: redis!.url })]);

describe.each(stores)('limits of owners of keys, counted in %s', (_where, env) => {
  const begin = async (): Promise<RunningGateway> => {
    await redis?.cli('FLUSHALL');
    return start(classes, env());
  };
  const status = (gateway: RunningGateway, query: string, key = adminToken) =>
    send(gateway, 'GET', `/rate-limit/status?${query}`, key);
  const reset = (gateway: RunningGateway, body: object) =>
    send(gateway, 'POST', '/admin/reset-limits', adminToken, body);

  test('are told of by the owner alone, with the rule that holds for them', async () => {
    const gateway = await begin();
    for (let i = 0; i < 2; i++) expect((await ask(gateway, keyOf('small'))).status).toBe(200);
    expect((await ask(gateway, keyOf('small'))).status).toBe(429);
    for (const query of ['user_id=small', 'user_id=small&tenant=small']) {
      const { body } = await status(gateway, query);
      expect(body).toMatchObject({
        user_id: 'small',
        tenant: 'small',
        status: 'approaching_limit',
        rule: { requests_per_minute: 2 },
        current_usage: { requests_this_minute: 2 },
      });
      const { next_request_allowed: next } = body['limits'] as { next_request_allowed: number };
      expect(next).toBeGreaterThan(40);
      expect(next).toBeLessThanOrEqual(60.1);
    }
    expect((await status(gateway, 'user_id=small&tenant=other')).body['status']).toBe('no_activity');
    expect((await status(gateway, 'user_id=nobody')).body['status']).toBe('no_activity');
    expect((await status(gateway, 'user_id=idle')).body).toMatchObject({
      tenant: 't1',
      status: 'no_activity',
    });
    expect((await status(gateway, 'user_id=small', keyOf('small'))).body).toMatchObject({ tenant: 'small' });
    expect((await status(gateway, '', keyOf('small'))).body).toMatchObject({
      user_id: 'small',
      tenant: 'small',
    });
    for (const query of ['user_id=ops', 'user_id=small&tenant=t1', 'tenant=t1'])
      expect((await status(gateway, query, keyOf('small'))).status, query).toBe(403);
  });

  test('begin anew by the owner alone', async () => {
    const gateway = await begin();
    for (let i = 0; i < 3; i++) await ask(gateway, keyOf('small'));
    expect((await ask(gateway, keyOf('small'))).status).toBe(429);
    const nobody = await reset(gateway, { user_id: 'nobody' });
    expect(nobody.body).toEqual({ reset: true, user_id: 'nobody', tenants: [] });
    expect((await ask(gateway, keyOf('small'))).status).toBe(429);
    const done = await reset(gateway, { user_id: 'small' });
    expect(done.body).toEqual({ reset: true, user_id: 'small', tenants: ['small'] });
    expect((await ask(gateway, keyOf('small'))).status).toBe(200);
  });

  test('of one name in several tenants: the one with least left is told, and each or all begin anew', async () => {
    const gateway = await begin();
    for (let i = 0; i < 2; i++) await ask(gateway, keyOf('a'));
    for (let i = 0; i < 4; i++) await ask(gateway, keyOf('b'));
    expect((await status(gateway, 'user_id=ops')).body).toMatchObject({
      tenant: 't1',
      rule: { requests_per_minute: 2 },
    });
    expect((await status(gateway, 'user_id=ops&tenant=t2')).body).toMatchObject({
      tenant: 't2',
      rule: { requests_per_minute: 50 },
      current_usage: { requests_this_minute: 4 },
    });
    expect((await reset(gateway, { user_id: 'ops', tenant: 't2' })).body['tenants']).toEqual(['t2']);
    expect((await ask(gateway, keyOf('a'))).status).toBe(429);
    expect((await reset(gateway, { user_id: 'ops' })).body['tenants']).toEqual(['t1', 't2']);
    expect((await ask(gateway, keyOf('a'))).status).toBe(200);

    const admin = createClient(AdminService, rpcTransports['Connect JSON over HTTP/1.1'](gateway.url));
    const headers = { authorization: `Bearer ${adminToken}` };
    await ask(gateway, keyOf('a'));
    expect((await admin.getRateLimitStatus({ owner: 'ops' }, { headers })).owner).toMatchObject({
      tenant: 't1',
      requestsPerMinute: 2n,
      requestsThisMinute: 2n,
    });
    expect((await admin.resetRateLimits({ owner: 'ops' }, { headers })).tenants).toEqual(['t1', 't2']);
    expect((await ask(gateway, keyOf('a'))).status).toBe(200);
    await expect(admin.resetRateLimits({ tenant: 't1' }, { headers })).rejects.toThrow('no owner besides');
    await expect(admin.getRateLimitStatus({ tenant: 't1' }, { headers })).rejects.toThrow('no owner besides');
  });

  test('of everybody begin anew only when that is said', async () => {
    const gateway = await begin();
    for (let i = 0; i < 2; i++) await ask(gateway, keyOf('small'));
    for (const [body, field] of [
      [{ user: 'a' }, 'user'],
      [{ tenant: 't1' }, 'tenant'],
      [{ user_id: 5 }, 'user_id'],
    ] as const) {
      const refused = await reset(gateway, body);
      expect([refused.status, (refused.body['details'] as { field: string }).field]).toEqual([400, field]);
    }
    for (const query of ['user=small', 'tenant=small', 'user_id=small&more=1'])
      expect((await status(gateway, query)).status, query).toBe(400);
    expect((await ask(gateway, keyOf('small'))).status).toBe(429);
    expect((await reset(gateway, {})).body).toEqual({ reset: true, user_id: null });
    expect((await ask(gateway, keyOf('small'))).status).toBe(200);
  });
});

describe('budgets of owners', () => {
  test('of the same name in two tenants are two', async () => {
    const gateway = await start(`budgets: [{ name: each-owner, usd: 0.5, per: day, owner: '*' }]
keys:
  - { id: a, key: ${keyOf('a')}, owner: ops, tenant: t1 }
  - { id: a2, key: ${keyOf('a2')}, owner: ops, tenant: t1 }
  - { id: b, key: ${keyOf('b')}, owner: ops, tenant: t2 }
`);
    model.script = Array.from({ length: 2 }, () => ({ text: 'a', usage: costly }));
    expect((await ask(gateway, keyOf('a'))).status).toBe(200);
    for (const one of ['a', 'a2']) expect((await ask(gateway, keyOf(one))).status).toBe(429);
    expect((await ask(gateway, keyOf('b'))).status).toBe(200);
  });

  test('of an issuer of tokens are one for each owner, whoever has the token', async () => {
    const gateway = await start(`auth:
  tokens:
    - issuer: ${issuer.issuer}
      jwks_url: ${issuer.jwksUrl}
      audience: gateway
      claims: { owner: team, tenant: org }
      budget: { usd: 0.5, per: day }
`);
    model.script = Array.from({ length: 5 }, () => ({ text: 'a', usage: costly }));
    const of = async (sub: string, team: string, org = 'acme') =>
      ask(gateway, await issuer.token({ sub, team, org }));
    expect((await of('alice', 'red')).status).toBe(200);
    const refused = await of('bob', 'red');
    expect(refused.status).toBe(429);
    expect(JSON.stringify(refused.body)).toContain('budget of owner red ($0.5 a day)');
    expect((await of('carol', 'blue')).status).toBe(200);
    expect((await of('dave', 'red', 'umbrella')).status).toBe(200);
  });
});

/** More than half a dollar. */
const costly = {
  prompt_tokens: 10,
  completion_tokens: 25,
  total_tokens: 35,
};

test('the token of the metrics lets in where nothing else does', async () => {
  const token = 'scraper-0123456789';
  const gateway = await start(`keys: [{ id: a, key: ${keyOf('a')} }]\n`, {
    LLM_GATEWAY_METRICS_TOKEN: token,
    LLM_GATEWAY_METRICS_OPEN: 'false',
  });
  const scrape = async (key: string | null): Promise<number> => {
    const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    return (await fetch(`${gateway.url}/metrics`, { headers })).status;
  };
  expect(await scrape(token)).toBe(200);
  for (const key of [null, `${token}x`, keyOf('a')]) expect(await scrape(key)).toBe(401);
  expect((await send(gateway, 'GET', '/v1/models', token)).status).toBe(401);
  const keyed = await start(`keys: [{ id: a, key: ${keyOf('a')} }]\n`, { LLM_GATEWAY_METRICS_OPEN: 'false' });
  const { url } = keyed;
  expect((await fetch(`${url}/metrics`)).status).toBe(401);
  expect((await fetch(`${url}/metrics`, { headers: { 'x-api-key': keyOf('a') } })).status).toBe(200);
});
