import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseScrape } from '../support/prometheus.ts';
import { startWorkers, type WorkerConnection, type WorkerGateway } from '../support/workers.ts';

// What two workers count, keep and limit is one thing, whichever of them is asked.

vi.setConfig({ testTimeout: 60_000 });

let gateway: WorkerGateway;
let workers: WorkerConnection[];
beforeAll(async () => {
  gateway = await startWorkers({
    LLM_GATEWAY_CACHE: 'true',
    LLM_GATEWAY_RATE_LIMITS: 'on',
    LLM_GATEWAY_RATE_LIMIT_REQUESTS_PER_MINUTE: '0',
    LLM_GATEWAY_RATE_LIMIT_BURST_LIMIT: '0',
    LLM_GATEWAY_RATE_LIMIT_GLOBAL_REQUESTS_PER_MINUTE: '60',
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '11',
  });
  workers = [await gateway.connection(1), await gateway.connection(2)];
}, 60_000);
afterAll(async () => {
  for (const worker of workers ?? []) worker.close();
  await gateway?.stop();
});

const ask = (worker: WorkerConnection, content: string) =>
  worker.post('/v1/chat/completions', { model: 'fake/echo', messages: [{ role: 'user', content }] });

test('what is kept of answers is deleted everywhere', async () => {
  for (const worker of workers) {
    for (const question of ['one', 'two', 'one']) expect((await ask(worker, question)).status).toBe(200);
  }
  for (const worker of workers) {
    const status = JSON.parse((await worker.get('/cache/status')).text);
    // The search for a worker has left some, too.
    expect(status.total_entries).toBeGreaterThanOrEqual(4);
    expect(status.max_size).toBe(1_000);
  }
  expect(
    JSON.parse((await workers[0]!.post('/cache/clear', {})).text).entries_cleared,
  ).toBeGreaterThanOrEqual(4);
  for (const worker of workers) {
    expect(JSON.parse((await worker.get('/cache/status')).text)).toMatchObject({ total_entries: 0 });
  }
});

test('metrics are sums', async () => {
  const scrapes = await Promise.all(workers.map((worker) => worker.get('/metrics')));
  const [one, two] = scrapes.map(({ text }) => {
    const calls = parseScrape(text).find(({ name }) => name === 'llm_gateway_calls_total');
    return calls?.samples.reduce((sum, { value }) => sum + value, 0);
  });
  expect(one).toBe(two);
  expect(one).toBeGreaterThanOrEqual(6);
});

test('health tells of all that the gateway has to do', async () => {
  for (const worker of workers) {
    const { backpressure } = JSON.parse((await worker.get('/health/detailed')).text);
    expect(backpressure).toMatchObject({ max_concurrent: 11, accepting_requests: true });
  }
});

test('never one call more than the limit, over both', async () => {
  const calls = Array.from({ length: 100 }, (_, i) => ask(workers[i % 2]!, `limited ${i}`));
  const statuses = (await Promise.all(calls)).map(({ status }) => status);
  const passed = statuses.filter((status) => status === 200).length;
  expect(statuses.filter((status) => status === 429)).toHaveLength(100 - passed);
  expect(passed).toBeLessThanOrEqual(60);
  expect(passed).toBeGreaterThan(40);
});
