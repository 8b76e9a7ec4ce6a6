import { readFileSync } from 'node:fs';
import net from 'node:net';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseScrape } from '../support/prometheus.ts';
import { until } from '../support/redis.ts';
import { spawnWorkers, startWorkers, type WorkerGateway } from '../support/workers.ts';

// What the end of a worker leaves to the others, and the end of the gateway in the middle of it.

// Processes take their time to start where the machine is busy.
vi.setConfig({ testTimeout: 90_000 });

const running: WorkerGateway[] = [];
const start = async (env: Record<string, string> = {}): Promise<WorkerGateway> => {
  const gateway = await startWorkers(env);
  running.push(gateway);
  return gateway;
};
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
});

interface Asked {
  /** What came. */
  text: string;
  /** Whether the gateway has closed the connection. */
  closed: boolean;
}

/** A request over a connection of its own, which nobody but the gateway ends. */
function ask(url: string): Asked {
  const asked: Asked = { text: '', closed: false };
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
  socket.write('GET /health/live HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n');
  socket.on('data', (data) => {
    asked.text += String(data);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    asked.closed = true;
  });
  return asked;
}

describe('a connection that a worker was handed and has not taken when it dies', () => {
  test('is handed to another one', async () => {
    const gateway = await start();
    // It gets its next connection, and does nothing with it.
    process.kill(gateway.pid(1), 'SIGSTOP');
    const all = Array.from({ length: 6 }, () => ask(gateway.url));
    await until(() => all.filter(({ closed }) => closed).length === 5);
    const left = all.find(({ closed }) => !closed);
    process.kill(gateway.pid(1), 'SIGKILL');
    await until(() => left?.closed === true);
    for (const { text } of all) expect(text).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('is closed where there is no other one', async () => {
    const gateway = await start();
    for (const worker of [1, 2]) process.kill(gateway.pid(worker), 'SIGSTOP');
    const all = Array.from({ length: 2 }, () => ask(gateway.url));
    // The primary has handed it on when the next one finds nobody.
    const last = ask(gateway.url);
    await gateway.said('a process is in waiting');
    for (const worker of [1, 2]) process.kill(gateway.pid(worker), 'SIGKILL');
    await until(() => [...all, last].every(({ closed }) => closed), 30_000);
  });
});

describe('a gateway that is told to end', () => {
  test('while a worker takes the place of another drains both, and refuses', async () => {
    const gateway = await start({ LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '600s' });
    await gateway.said('a process is in waiting');
    const two = await gateway.connection(2);
    let begun = 0;
    const stream = two.stream(
      { model: 'fake/slow?words=200&delay_ms=20', messages: [{ role: 'user', content: 'Hi' }] },
      () => void begun++,
    );
    await until(() => begun > 2);
    process.kill(gateway.pid(1), 'SIGKILL');
    await gateway.said('a worker has ended; another one takes its place');
    gateway.signal('SIGTERM');
    await gateway.said('draining');
    // Connections are dealt out in turn: each one is asked.
    let refused = 0;
    await until(async () => {
      const ready = `${gateway.url}/health/ready`;
      const reply = await fetch(ready, { headers: { connection: 'close' } }).catch(() => null);
      await reply?.text();
      refused = reply?.status === 200 ? 0 : refused + 1;
      return refused === 4;
    });
    expect((await stream).whole).toBe(true);
    expect(await gateway.exit).toBe(0);
    expect(gateway.lines.at(-1)).toMatchObject({ message: 'stopped', cut_off: 0 });
  });

  test('while a worker loads the program does not wait for it', async () => {
    const gateway = await start({ LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '600s' });
    for (const worker of [1, 2]) process.kill(gateway.pid(worker), 'SIGKILL');
    // One of the two found a process in waiting, the other one does not.
    await until(
      () =>
        gateway.lines.filter(({ message }) => String(message).startsWith('a worker has ended')).length === 2,
    );
    gateway.signal('SIGTERM');
    expect(await gateway.exit).toBe(0);
    expect(gateway.lines.at(-1)).toMatchObject({ message: 'stopped', cut_off: 0 });
  });

  test('before it serves for the first time ends at once, without a complaint', async () => {
    const { child, lines, exit, stderr } = spawnWorkers({
      LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '600s',
      LLM_GATEWAY_WORKERS: '3',
    });
    let exited = false;
    void exit.then(() => {
      exited = true;
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    // It listens to signals before it starts them.
    const workers = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
    await until(() => exited || workers() !== '', 30_000);
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(stderr()).toBe('');
    expect(lines.at(-1)).toMatchObject({ message: 'stopped', cut_off: 0 });
  });
});

test('what a worker has counted stays when it dies', async () => {
  const gateway = await start();
  const [one, two] = [await gateway.connection(1), await gateway.connection(2)];
  const call = { model: 'fake/echo', messages: [{ role: 'user', content: 'Hi' }] };
  for (let i = 0; i < 5; i++) {
    for (const worker of [one, two])
      expect((await worker.post('/v1/chat/completions', call)).status).toBe(200);
  }
  const count = async (name: string): Promise<number> => {
    const family = parseScrape((await two.get('/metrics')).text).find((found) => found.name === name);
    const samples = family?.samples.filter((sample) => !/_(sum|bucket)$/.test(sample.name)) ?? [];
    return samples.reduce((sum, { value }) => sum + value, 0);
  };
  const summary = async (): Promise<Record<string, unknown>> =>
    (await (
      await fetch(`${gateway.url}/metrics`, { headers: { accept: 'application/json' } })
    ).json()) as Record<string, unknown>;
  const calls = await count('llm_gateway_calls_total');
  const durations = await count('llm_request_duration_seconds');
  expect(calls).toBeGreaterThanOrEqual(12);
  expect(durations).toBeGreaterThanOrEqual(12);
  expect(await summary()).toMatchObject({ total_requests: calls, requests_by_provider: { fake: calls } });
  process.kill(gateway.pid(1), 'SIGKILL');
  await gateway.said('a worker has ended; another one takes its place');
  expect(await count('llm_gateway_calls_total')).toBe(calls);
  expect((await summary())['total_requests']).toBe(calls);
  expect(await count('llm_request_duration_seconds')).toBe(durations);
  await gateway.said('a worker serves in place of another');
  const again = await gateway.connection(1);
  expect((await again.post('/v1/chat/completions', call)).status).toBe(200);
  expect(await count('llm_gateway_calls_total')).toBeGreaterThan(calls);
});
