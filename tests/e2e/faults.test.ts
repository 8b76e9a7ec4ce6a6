import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { callFace } from '../support/faces.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { ask, begun, fails, type Rig, says, startRig } from '../support/resilience.ts';
import { sessionsAt } from '../support/sessions.ts';

// What goes wrong around a gateway, with what has to come of it, and how soon. Faults of single connections are in resilience.test.ts.

describe('a provider', () => {
  let rig: Rig;
  afterEach(() => rig.stop());

  test('that fails every other time costs a try, and no call', async () => {
    rig = await startRig('', { LLM_GATEWAY_RETRY_BASE_DELAY_SECONDS: '1ms' });
    let count = 0;
    rig.east.script = (request, stream) =>
      (count++ % 2 === 0 ? fails('503 Service Unavailable') : says('east'))(request, stream);
    for (let i = 0; i < 20; i++) {
      const reply = await ask(rig, { model: 'east/m' });
      expect(reply.status).toBe(200);
      expect(reply.headers.get('x-attempts')).toBe('2');
      await reply.text();
    }
  });

  test('that goes and comes back is asked again when it is back, and not much meanwhile', async () => {
    rig = await startRig('', {
      LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '1',
      LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '3',
      LLM_GATEWAY_UPSTREAM_BREAKER_RECOVERY_SECONDS: '200ms',
    });
    for (let round = 0; round < 3; round++) {
      rig.heal();
      rig.east.script = fails('500 Internal Server Error');
      const statuses: number[] = [];
      for (let i = 0; i < 20; i++) statuses.push((await ask(rig, { model: 'east/m' })).status);
      expect(statuses.every((status) => status >= 500)).toBe(true);
      expect(rig.east.asked.length).toBeLessThan(8);
      rig.east.script = says('east');
      await until(async () => (await ask(rig, { model: 'east/m' })).status === 200, 3_000);
    }
  });

  test.each(['REST', 'gRPC', 'Connect over HTTP/2'] as const)(
    'that stops in the middle of a stream ends it with an error in time, on %s, and nobody else is asked',
    async (face) => {
      rig = await startRig('fallbacks:\n  east/m: [west/m]\n');
      rig.east.script = ({ socket }) => void socket.write(begun('Hel'));
      const began = performance.now();
      const outcome = await callFace(face, rig.url, 'east/m', { stream: true });
      expect(outcome).toMatchObject({ text: 'Hel', complete: false });
      expect(outcome.failure?.reason).toBe('upstream_timeout');
      expect(performance.now() - began).toBeLessThan(3_000);
      expect(rig.west.asked).toEqual([]);
    },
  );
});

describe('a full disk', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-full-'));
  let gateway: RunningGateway;
  afterAll(async () => {
    await gateway?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('refuses what it cannot keep, names the store, and lets everything else go on', async () => {
    gateway = await startGateway({
      LLM_GATEWAY_DATA_DIR: dir,
      LLM_GATEWAY_DATA_MAX_BYTES: '1MiB',
      LLM_GATEWAY_SESSION_MAX_BYTES: '64MiB',
    });
    const { id: session_id } = await sessionsAt(gateway.url).make();
    // What is packed must not get smaller.
    const noise = execFileSync('head', ['-c', '700000', '/dev/urandom']).toString('base64');
    const call = (body: object) =>
      ask(gateway, { model: 'fake/echo', messages: [{ role: 'user', content: noise }], ...body });
    let last = await call({ session_id });
    for (let i = 0; i < 3 && last.status === 200; i++) last = await call({ session_id });
    expect(last.status).toBe(503);
    const { error } = (await last.json()) as { error: { code: string; message: string } };
    expect(error.code).toBe('dependency_unavailable');
    expect(error.message).toContain('the embedded store');
    expect((await call({})).status).toBe(200);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
  });
});

describe.skipIf(!hasRedis)('a Redis', () => {
  let redis: RedisServer;
  let gateway: RunningGateway;
  let dir: string;
  afterEach(async () => {
    await gateway?.stop();
    await redis?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const start = async (url: string): Promise<void> => {
    dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-redis-'));
    const file = path.join(dir, 'gateway.yaml');
    writeFileSync(
      file,
      `
limits: { mode: on, classes: { default: { requests_per_minute: 1000, burst_limit: 1000 } } }
models:
  - { id: fake/echo, provider: fake, price: { input: 1, output: 1 } }
budgets:
  - { name: paid, usd: 10, per: day, tenant: nobody }
`,
    );
    gateway = await startGateway({
      LLM_GATEWAY_CONFIG: file,
      LLM_GATEWAY_REDIS_URL: url,
      LLM_GATEWAY_REDIS_TIMEOUT_SECONDS: '200ms',
      LLM_GATEWAY_CACHE: 'true',
    });
  };
  const chat = async (content: string) => {
    const began = performance.now();
    const reply = await ask(gateway, { model: 'fake/echo', messages: [{ role: 'user', content }] });
    await reply.text();
    return { status: reply.status, cache: reply.headers.get('x-cache'), ms: performance.now() - began };
  };

  test('that is down, slow, or back: calls go on, sessions are refused until it is back', async () => {
    redis = await startRedis();
    const proxy = await startFaultProxy(Number(new URL(redis.url).port));
    try {
      await start(proxy.origin.replace('http', 'redis'));
      await until(async () => (await chat('before')).cache === 'HIT');
      const session = () => sessionsAt(gateway.url).post({});
      expect((await session()).status).toBe(201);
      for (const fault of [{ kind: 'refuse' }, { kind: 'silent' }] as const) {
        proxy.set(fault);
        for (let i = 0; i < 5; i++) {
          const { status, ms } = await chat(`${fault.kind} ${i}`);
          expect(status).toBe(200);
          expect(ms).toBeLessThan(3_000);
        }
        const refused = await session();
        expect(refused.status).toBe(503);
        expect(((await refused.json()) as { error: { code: string } }).error.code).toBe(
          'dependency_unavailable',
        );
        proxy.set({ kind: 'pass' });
        await until(async () => (await session()).status === 201);
        await until(async () => (await chat('before')).cache === 'HIT');
      }
    } finally {
      proxy.close();
    }
  });
});
