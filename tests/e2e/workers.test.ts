import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { callFace } from '../support/faces.ts';
import { until } from '../support/redis.ts';
import { spawnWorkers, startWorkers, type WorkerGateway } from '../support/workers.ts';

// A gateway of several processes, which has to be one for its clients and for who runs it.

const slow = (words: number, delayMs = 20) => ({
  model: `fake/slow?words=${words}&delay_ms=${delayMs}`,
  messages: [{ role: 'user', content: 'Hi' }],
});
const quick = { model: 'fake/echo', messages: [{ role: 'user', content: 'Hi' }] };

// Processes take their time to start where the machine is busy.
vi.setConfig({ testTimeout: 90_000 });

const running: WorkerGateway[] = [];
const start = async (env: Record<string, string> = {}): Promise<WorkerGateway> => {
  const gateway = await startWorkers(env);
  running.push(gateway);
  return gateway;
};
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-workers-test-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Calls over fresh connections, one after the other. @returns what went wrong */
async function callUntil(url: string, over: () => boolean): Promise<{ calls: number; failures: string[] }> {
  const failures: string[] = [];
  let calls = 0;
  while (!over()) {
    calls++;
    const reply = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify(quick),
      signal: AbortSignal.timeout(5_000),
    }).catch((error: unknown) => String(error));
    if (typeof reply === 'string') failures.push(reply);
    else if (reply.status !== 200) failures.push(`${reply.status} ${await reply.text()}`);
    else await reply.text();
  }
  return { calls, failures };
}

describe('two workers', () => {
  test('share the connections of a port on every protocol; lines of the log say whose they are', async () => {
    const gateway = await start();
    for (let i = 0; i < 10; i++) {
      for (const face of ['REST', 'gRPC', 'Connect over HTTP/2'] as const)
        expect(await callFace(face, gateway.url, 'fake/echo', { stream: i % 2 === 0 })).toMatchObject({
          complete: true,
        });
    }
    const one = await gateway.connection(1);
    const two = await gateway.connection(2);
    expect((await one.post('/v1/chat/completions', quick)).status).toBe(200);
    expect((await two.post('/v1/chat/completions', quick)).status).toBe(200);
    const calls = gateway.lines.filter(({ message }) => message === 'call');
    expect(new Set(calls.map(({ worker }) => worker))).toEqual(new Set([1, 2]));
    expect(gateway.lines.filter(({ message }) => message === 'listening')).toHaveLength(1);
  });

  test('lose only the calls of the one that dies; a process in waiting takes its place at once', async () => {
    const gateway = await start();
    const { pid } = await gateway.said('a process is in waiting');
    const [one, two] = [await gateway.connection(1), await gateway.connection(2)];
    let begun = 0;
    const onText = () => void begun++;
    const dying = one.stream(slow(1_000), onText);
    const living = two.stream(slow(150), onText);
    let over = false;
    const load = callUntil(gateway.url, () => over);
    await until(() => begun > 4);
    const from = gateway.lines.length;
    process.kill(gateway.pid(1), 'SIGKILL');
    const line = await gateway.said('a worker serves in place of another', from);
    expect(line).toMatchObject({ worker: 1, pid });
    expect((await dying).whole).toBe(false);
    expect((await living).whole).toBe(true);
    over = true;
    const { calls, failures } = await load;
    expect(calls).toBeGreaterThan(0);
    // The one that the worker had at that moment.
    expect(failures.length).toBeLessThanOrEqual(1);
    const again = await gateway.connection(1);
    expect((await again.post('/v1/chat/completions', quick)).status).toBe(200);
  });

  test('let their streams end when the gateway is told to, refuse new calls, and leave together with 0', async () => {
    const gateway = await start();
    const connections = [await gateway.connection(1), await gateway.connection(2)];
    let begun = 0;
    const streams = connections.map((one) => one.stream(slow(60), () => void begun++));
    await until(() => begun > 4);
    // A terminal sends it to all of them.
    for (const worker of [1, 2]) process.kill(gateway.pid(worker), 'SIGINT');
    gateway.signal('SIGINT');
    await gateway.said('draining');
    await until(async () => {
      const reply = await fetch(`${gateway.url}/health/ready`).catch(() => null);
      return reply?.status === 503;
    });
    for (const { whole } of await Promise.all(streams)) expect(whole).toBe(true);
    expect(await gateway.exit).toBe(0);
    expect(gateway.lines.at(-1)).toMatchObject({ message: 'stopped', cut_off: 0 });
    expect(gateway.lines.find(({ message }) => message === 'draining')).toMatchObject({ in_flight: 2 });
  });

  test('cut off what outlasts the drain, and count it', async () => {
    const gateway = await start({ LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '200ms' });
    const connections = [await gateway.connection(1), await gateway.connection(2)];
    let begun = 0;
    const streams = connections.map((one) => one.stream(slow(10_000), () => void begun++));
    await until(() => begun > 4);
    gateway.signal('SIGTERM');
    expect(await gateway.exit).toBe(0);
    for (const { text, whole } of await Promise.all(streams)) {
      expect(whole).toBe(false);
      expect(text).toContain('draining');
    }
    expect(gateway.lines.at(-1)).toMatchObject({ message: 'stopped', cut_off: 2 });
  });

  test('take a new configuration both, or neither; one that replaces another has what counts', async () => {
    const file = path.join(dir, 'gateway.yaml');
    const withModel = (name: string, more = ''): string => `models:
  - { id: fake/echo, provider: fake, aliases: [${name}] }
${more}`;
    writeFileSync(file, withModel('first'));
    const gateway = await start({ LLM_GATEWAY_CONFIG: file });
    const known = async (name: string): Promise<number[]> => {
      const found: number[] = [];
      for (const worker of [1, 2]) {
        const connection = await gateway.connection(worker);
        const { status } = await connection.post('/v1/chat/completions', { ...quick, model: name });
        if (status === 200) found.push(worker);
        connection.close();
      }
      return found;
    };
    expect(await known('first')).toEqual([1, 2]);
    writeFileSync(file, withModel('second'));
    await gateway.said('configuration reloaded');
    expect(await known('second')).toEqual([1, 2]);

    // Wrong in a way that shows only when it is used.
    writeFileSync(file, withModel('third', '  - { id: fake/slow, provider: fake, nonsense: 1 }\n'));
    expect(await gateway.said('the new configuration is wrong; the old one stays')).toMatchObject({
      mistakes: [expect.stringContaining('nonsense')],
    });
    process.kill(gateway.pid(2), 'SIGKILL');
    await gateway.said('a worker serves in place of another');
    expect(await known('second')).toEqual([1, 2]);
    const from = gateway.lines.length;
    writeFileSync(file, withModel('fifth', 'server: { max_body_bytes: 1MiB }\n'));
    gateway.signal('SIGHUP');
    await gateway.said('configuration reloaded', from);
    expect(await gateway.said('some settings need a restart')).toMatchObject({
      settings: ['server.max_body_bytes'],
    });
    expect(await known('fifth')).toEqual([1, 2]);
  });
});

describe('the start of several workers', () => {
  const startsNot = async (env: Record<string, string>): Promise<string[]> => {
    const { exit, stderr } = spawnWorkers(env);
    expect(await exit).toBe(1);
    return stderr().trim().split('\n');
  };

  test('ends with the lines of one process where the configuration is wrong', async () => {
    expect(await startsNot({ LLM_GATEWAY_LOG_LEVEL: 'LOUD' })).toEqual([
      'llm-gateway: LLM_GATEWAY_LOG_LEVEL: is "LOUD", has to be one of DEBUG, INFO, WARN, ERROR',
    ]);
    expect(await startsNot({ LLM_GATEWAY_WORKERS: 'many' })).toEqual([
      'llm-gateway: LLM_GATEWAY_WORKERS: is "many", has to be a whole number from 1 to 128, or auto',
    ]);
    const file = path.join(dir, 'no-folder');
    writeFileSync(file, '');
    const [line, ...more] = await startsNot({ LLM_GATEWAY_DATA_DIR: path.join(file, 'data') });
    expect(line).toMatch(/^llm-gateway: LLM_GATEWAY_DATA_DIR: is .*, has to be a folder/);
    expect(more).toEqual([]);
  });

  test('ends with one line where the port is taken', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await until(() => server.listening);
    const { port } = server.address() as net.AddressInfo;
    expect(await startsNot({ LLM_GATEWAY_PORT: String(port) })).toEqual([
      `llm-gateway: LLM_GATEWAY_HOST, LLM_GATEWAY_PORT: cannot listen on 127.0.0.1:${port} (EADDRINUSE)`,
    ]);
    server.close();
  });
});

test('workers that cannot be replaced end the gateway with a message', async () => {
  const data = path.join(dir, 'data');
  const gateway = await start({ LLM_GATEWAY_DATA_DIR: data });
  rmSync(data, { recursive: true, force: true });
  writeFileSync(data, 'not a folder');
  process.kill(gateway.pid(1), 'SIGKILL');
  expect(await gateway.exit).toBe(1);
  expect(gateway.stderr()).toBe('llm-gateway: workers end again and again; see the log for why\n');
  expect(gateway.lines.find(({ message }) => message === 'a worker could not be started')).toMatchObject({
    worker: 1,
    mistakes: [expect.stringContaining('LLM_GATEWAY_DATA_DIR')],
  });
  expect(gateway.lines.filter(({ level }) => level === 'ERROR').at(-1)).toMatchObject({
    message: 'workers end again and again; the gateway gives up',
  });
});
