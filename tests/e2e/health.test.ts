import { Code, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, test } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as Status } from '../../gen/grpc/health/v1/health_pb.js';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';
import { hasRedis, startRedis } from '../support/redis.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(env: Record<string, string>): Promise<RunningGateway> {
  const gateway = await startGateway({ LLM_GATEWAY_INFERENCE_BASE_URL: '', ...env });
  stops.push(() => gateway.stop());
  return gateway;
}
async function startService(): Promise<JsonServer> {
  const service = await startJsonServer({ '/health': () => ({ status: 'healthy' }) });
  stops.push(() => service.close());
  return service;
}
const breakService = (service: JsonServer, status: number) => {
  service.routes['/health'] = (_got, response) => void send(response, status, { detail: 'down' });
};
const asked = (service: JsonServer) => service.got.filter(({ path }) => path === '/health').length;
interface Told {
  readonly status: number;
  readonly body: Record<string, unknown>;
}
const ask = async ({ url }: RunningGateway, path: string): Promise<Told> => {
  const response = await fetch(`${url}${path}`);
  const text = await response.text();
  // Wherever something is, is nobody's business.
  expect(text).not.toMatch(/127\.0\.0\.1|localhost|https?:|redis:/);
  return { status: response.status, body: JSON.parse(text) };
};
/** Results stand for a second. */
const later = () => new Promise((resolve) => setTimeout(resolve, 1_050));

/** What a deployment of the gateway before this one has: its services, critical ones among them. */
async function startAll(env: Record<string, string> = {}) {
  const [search, agents, inference] = [await startService(), await startService(), await startService()];
  inference.routes['/v1/models'] = () => ({ object: 'list', data: [{ id: 'qwen', object: 'model' }] });
  const gateway = await start({
    LLM_GATEWAY_SEMANTIC_SEARCH_URL: search.origin,
    LLM_GATEWAY_AI_AGENTS_URL: agents.origin,
    INFERENCE_SERVICE_URL: inference.origin,
    LLM_GATEWAY_HEALTH_CRITICAL: 'memory, semantic_search, inference_service',
    ...env,
  });
  return { gateway, search, agents, inference };
}

test('liveness asks nobody', async () => {
  const { gateway, search } = await startAll();
  for (const path of ['/health/live', '/live']) {
    expect(await ask(gateway, path)).toEqual({
      status: 200,
      body: { status: 'alive', timestamp: expect.stringMatching(/Z$/) },
    });
  }
  expect(await ask(gateway, '/health')).toEqual({
    status: 200,
    body: {
      status: 'healthy',
      service: 'llm-gateway',
      version: expect.any(String),
      timestamp: expect.stringMatching(/Z$/),
      uptime_seconds: expect.any(Number),
      environment: 'development',
      models_available: expect.any(Number),
      inference_service: 'unchecked',
      backend: 'api',
      pool: null,
      cache: expect.stringMatching(/^(connected|disconnected|disabled)$/),
    },
  });
  expect(asked(search)).toBe(0);
});

describe('readiness', () => {
  test('is ready when all are well, degraded without one that is not critical, not ready without one that is', async () => {
    const { gateway, search, agents, inference } = await startAll();
    const all = {
      memory: true,
      redis: true,
      store: true,
      semantic_search: true,
      ai_agents: true,
      inference_service: true,
    };
    for (const path of ['/health/ready', '/ready']) {
      expect(await ask(gateway, path)).toEqual({
        status: 200,
        body: { status: 'ready', checks: all, models_available: expect.any(Number) },
      });
    }
    breakService(agents, 503);
    await later();
    expect(await ask(gateway, '/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'degraded', checks: { ...all, ai_agents: false } },
    });
    // Only 200 counts.
    breakService(search, 204);
    await later();
    expect(await ask(gateway, '/health/ready')).toMatchObject({
      status: 503,
      body: { status: 'not_ready', checks: { ...all, ai_agents: false, semantic_search: false } },
    });
    search.routes['/health'] = () => ({});
    inference.close();
    await later();
    expect(await ask(gateway, '/health/ready')).toMatchObject({
      status: 503,
      body: { checks: { inference_service: false } },
    });
    const told = gateway.log
      .filter(({ module }) => module === 'health')
      .map(({ message, check }) => [message, check]);
    expect(told).toEqual([
      ['health check fails', 'ai_agents'],
      ['health check fails', 'semantic_search'],
      ['health check succeeds again', 'semantic_search'],
      ['health check fails', 'inference_service'],
    ]);
  });

  test('takes no longer than one check may, and any number of probes asks once', async () => {
    const { gateway, search, agents, inference } = await startAll({
      LLM_GATEWAY_HEALTH_TIMEOUT_SECONDS: '300ms',
    });
    for (const service of [search, agents, inference]) service.routes['/health'] = () => null;
    const begun = performance.now();
    const probes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => ask(gateway, i % 2 === 0 ? '/health/ready' : '/health/detailed')),
    );
    expect(performance.now() - begun).toBeLessThan(900);
    expect(probes[0]?.status).toBe(503);
    expect([search, agents, inference].map(asked)).toEqual([1, 1, 1]);
    await ask(gateway, '/health/ready');
    expect(asked(search)).toBe(1);
  });

  test('what is critical is a matter of configuration', async () => {
    const { gateway, search, agents } = await startAll({ LLM_GATEWAY_HEALTH_CRITICAL: 'ai_agents' });
    breakService(search, 500);
    expect((await ask(gateway, '/health/ready')).body['status']).toBe('degraded');
    breakService(agents, 500);
    await later();
    expect((await ask(gateway, '/health/ready')).status).toBe(503);
  });

  test('services that nobody has configured are not missed', async () => {
    const gateway = await start({ LLM_GATEWAY_HEALTH_CRITICAL: '' });
    expect((await ask(gateway, '/health/ready')).body).toEqual({
      status: 'ready',
      checks: { memory: true, redis: true, store: true },
      models_available: expect.any(Number),
    });
  });

  test('ends with the beginning of a drain', async () => {
    const gateway = await start({});
    const hold = fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'fake/slow?words=8&delay_ms=50',
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      }),
    });
    await hold;
    const drained = gateway.gateway.drain();
    expect((await ask(gateway, '/ready')).status).toBe(503);
    expect((await ask(gateway, '/live')).status).toBe(200);
    expect((await ask(gateway, '/health/detailed')).body['readiness']).toBe('not_ready');
    await (await hold).text();
    await drained;
  });
});

test('the detailed form has what both gateways before this one told', async () => {
  const { gateway, inference } = await startAll({
    OPENAI_API_KEY: 'sk-very-secret',
    LLM_GATEWAY_OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
  });
  while (inference.got.filter(({ path }) => path === '/v1/models').length === 0)
    await new Promise(setImmediate);
  await later();
  const { status, body } = await ask(gateway, '/health/detailed');
  expect(status).toBe(200);
  expect(JSON.stringify(body)).not.toContain('secret');
  expect(body).toMatchObject({
    status: 'healthy',
    readiness: 'ready',
    version: expect.any(String),
    uptime: expect.any(Number),
    service: 'healthy',
    timestamp: expect.any(Number),
    models_available: expect.any(Number),
    inference_service: 'up',
    checks: { semantic_search: { healthy: true, critical: true, latency_ms: expect.any(Number) } },
    memory: {
      rss_mb: expect.any(Number),
      vms_mb: expect.any(Number),
      peak_mb: expect.any(Number),
      threshold_mb: 16_384,
      soft_limit_mb: expect.any(Number),
      usage_percent: expect.any(Number),
      pressure: 'normal',
    },
    backpressure: {
      active_requests: 0,
      max_concurrent: 4_096,
      queue_utilization_percent: 0,
      accepting_requests: true,
    },
    circuit_breakers: {},
  });
  const providers = body['providers'] as Record<string, Record<string, unknown>>;
  expect(providers['inference']).toMatchObject({
    available: true,
    status: 'healthy',
    last_checked: expect.any(Number),
  });
  expect(providers['anthropic']).toMatchObject({ available: false, status: 'unhealthy' });
  expect(providers['llamacpp']).toMatchObject({ status: 'unhealthy', error: 'it does not answer' });
  inference.routes['/health'] = (_got, response) => void send(response, 500, {});
  await later();
  const down = await ask(gateway, '/health/detailed');
  expect(down).toMatchObject({ status: 503, body: { status: 'degraded', inference_service: 'down' } });
}, 30_000);

test('the detailed form names breakers that are open', async () => {
  const gateway = await start({
    LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '2',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
  });
  for (let i = 0; i < 3; i++) {
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'x' }] }),
    });
  }
  expect((await ask(gateway, '/health/detailed')).body['circuit_breakers']).toEqual({
    'openai/gpt-4o': { state: 'open', failures: 2 },
  });
});

test('names of models in the detailed form are for administrators, once calls need keys', async () => {
  const gateway = await start({
    LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '2',
    LLM_GATEWAY_AUTH_REQUIRED: 'true',
    LLM_GATEWAY_ADMIN_TOKEN: 'a-token-of-administrators',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: 'http://127.0.0.1:9/v1',
  });
  const headers = { authorization: 'Bearer a-token-of-administrators' };
  for (let i = 0; i < 3; i++) {
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'x' }] }),
    });
  }
  const breakers = async (given: Record<string, string>): Promise<unknown> => {
    const response = await fetch(`${gateway.url}/health/detailed`, { headers: given });
    expect(response.status).toBe(200);
    return ((await response.json()) as Record<string, unknown>)['circuit_breakers'];
  };
  expect(await breakers(headers)).toHaveProperty(['openai/gpt-4o']);
  expect(await breakers({})).toEqual({});
  expect(await breakers({ authorization: 'Bearer somebody-else-altogether' })).toEqual({});
});

describe('grpc.health.v1', () => {
  const services = ['', 'llmgateway.v1.ChatService', 'llmgateway.v1.AdminService'];

  test('tells of readiness for the gateway and each service', async () => {
    const { gateway, search } = await startAll();
    const client = createClient(Health, rpcTransports.gRPC(gateway.url));
    for (const service of services) expect((await client.check({ service })).status).toBe(Status.SERVING);
    breakService(search, 500);
    await later();
    for (const service of services) expect((await client.check({ service })).status).toBe(Status.NOT_SERVING);
  });

  test('tells those who watch', async () => {
    const { gateway, search } = await startAll();
    const client = createClient(Health, rpcTransports.gRPC(gateway.url));
    const leaving = new AbortController();
    const seen: Status[] = [];
    try {
      for await (const { status } of client.watch({ service: '' }, { signal: leaving.signal })) {
        seen.push(status);
        if (seen.length === 1) breakService(search, 500);
        if (seen.length === 2) search.routes['/health'] = () => ({});
        if (seen.length === 3) break;
      }
    } finally {
      leaving.abort();
    }
    expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING]);
  });
});

test('the detailed form is on RPC for administrators alone', async () => {
  const gateway = await start({ LLM_GATEWAY_ADMIN_TOKEN: 'a-token-of-administrators' });
  const client = createClient(AdminService, rpcTransports.gRPC(gateway.url));
  await expect(client.getHealth({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  const headers = { authorization: 'Bearer a-token-of-administrators' };
  const found = await client.getHealth({}, { headers });
  expect(found).toMatchObject({ readiness: 'ready', load: { acceptingRequests: true } });
});

test.skipIf(!hasRedis)('a Redis that is gone is told of, and missed where it is critical', async () => {
  const redis = await startRedis();
  stops.push(() => redis.stop());
  const mild = await start({ LLM_GATEWAY_REDIS_URL: redis.url });
  const strict = await start({ LLM_GATEWAY_REDIS_URL: redis.url, LLM_GATEWAY_HEALTH_CRITICAL: 'redis' });
  while ((await ask(mild, '/ready')).body['status'] !== 'ready')
    await new Promise((resolve) => setTimeout(resolve, 50));
  await redis.kill();
  await later();
  expect(await ask(mild, '/ready')).toMatchObject({
    status: 200,
    body: { status: 'degraded', checks: { redis: false } },
  });
  expect(await ask(strict, '/ready')).toMatchObject({ status: 503, body: { status: 'not_ready' } });
  await redis.start();
  while ((await ask(strict, '/ready')).status !== 200)
    await new Promise((resolve) => setTimeout(resolve, 50));
});
