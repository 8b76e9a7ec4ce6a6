import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { chatClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { lint, parseScrape, type Sample, type ScrapedFamily } from '../support/prometheus.ts';
import { hasRedis, startRedis, until } from '../support/redis.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

const root = path.resolve(import.meta.dirname, '../..');
const token = 'scrape-token-0123456789';

let model: ScriptedModel;
let gateway: RunningGateway;
beforeAll(async () => {
  model = await startModel();
  gateway = await startGateway({
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
    LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '2',
    LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '3',
  });
});
afterAll(async () => {
  await gateway.stop();
  model.close();
});

const chat = (body: object, url = gateway.url) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], ...body }),
  });
const scrape = async (url = gateway.url): Promise<ScrapedFamily[]> =>
  parseScrape(await (await fetch(`${url}/metrics`)).text());
const find = (families: readonly ScrapedFamily[], name: string, labels: Record<string, string>): Sample[] =>
  families
    .flatMap(({ samples }) => samples)
    .filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
const sum = (samples: readonly Sample[]): number => samples.reduce((all, { value }) => all + value, 0);

test('answers from the cache and calls beyond a limit are counted', async () => {
  const own = await startGateway({
    LLM_GATEWAY_CACHE: 'true',
    LLM_GATEWAY_RATE_LIMITS: 'on',
    LLM_GATEWAY_RATE_LIMIT_REQUESTS_PER_MINUTE: '3',
  });
  try {
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await chat({ model: 'fake/echo' }, own.url)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    const families = await scrape(own.url);
    const value = (name: string, labels: Record<string, string>): number => sum(find(families, name, labels));
    expect(value('llm_gateway_cache_operations_total', { result: 'miss' })).toBe(1);
    expect(value('llm_gateway_cache_operations_total', { result: 'hit' })).toBe(2);
    expect(value('llm_cache_hits_total', {})).toBe(2);
    expect(value('llm_gateway_limit_rejections_total', { limit: 'minute', scope: 'owner' })).toBe(1);
  } finally {
    await own.stop();
  }
});

test('calls are counted by face, model and outcome', async () => {
  await (await chat({ model: 'openai/gpt-4o' })).text();
  await (await chat({ model: 'openai/gpt-4o', stream: true })).text();
  await (await chat({ model: 'fake/nobody-knows-this' })).text();
  await chatClient('gRPC', gateway.url).createChatCompletion({
    model: 'fake/echo',
    messages: [{ role: 1, parts: [{ content: { case: 'text', value: { text: 'hi' } } }] }],
  } as never);
  const families = await scrape();
  const value = (name: string, labels: Record<string, string>): number => sum(find(families, name, labels));
  expect(value('llm_request_total', { provider: 'openai', model: 'gpt-4o', status: 'success' })).toBe(2);
  expect(value('llm_tokens_total', { provider: 'openai', model: 'gpt-4o', type: 'prompt' })).toBe(20);
  expect(value('llm_gateway_calls_total', { face: 'rpc', status: 'success' })).toBe(1);
  expect(value('llm_errors_total', { model: 'other', error_type: 'model_not_found' })).toBe(1);
  expect(value('gen_ai_server_time_to_first_token_seconds_count', { gen_ai_request_model: 'gpt-4o' })).toBe(
    1,
  );
  expect(value('llm_gateway_request_cost_dollars_count', { provider: 'openai' })).toBe(2);
  expect(value('llm_gateway_requests_total', { path: '/v1/chat/completions' })).toBe(3);
  expect(
    value('llm_gateway_requests_total', { path: '/llmgateway.v1.ChatService/CreateChatCompletion' }),
  ).toBe(1);
  expect(value('llm_gateway_calls_in_progress', {})).toBe(0);
  expect(value('llm_gateway_upstream_connections', { origin: model.upstream.origin, state: 'open' })).toBe(1);
  expect(JSON.stringify(families)).not.toContain('nobody-knows');
});

test('a stream that its client leaves has cost what came of it', async () => {
  const response = await chat({
    model: 'fake/slow',
    stream: true,
    messages: [{ role: 'user', content: 'one two three four five six seven eight nine ten' }],
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  let got = '';
  while (!got.includes('"content":"one')) got += Buffer.from((await reader.read()).value ?? []).toString();
  await reader.cancel();
  const told = async (name: string, labels: Record<string, string>): Promise<number> => {
    for (;;) {
      const value = sum(find(await scrape(), name, labels));
      if (value > 0) return value;
    }
  };
  expect(await told('llm_request_total', { model: 'slow', status: 'cancelled' })).toBe(1);
  // Its prompt, at least: what has come may be less than a token.
  expect(await told('llm_tokens_total', { model: 'slow', type: 'prompt' })).toBeGreaterThan(5);
});

test('retries and breakers show', async () => {
  const fail = ({ socket }: { socket: { write(text: string): void } }): void =>
    socket.write('HTTP/1.1 500 No\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}');
  model.script = Array.from({ length: 4 }, () => fail);
  for (let i = 0; i < 2; i++) await (await chat({ model: 'openai/gpt-4o-mini' })).text();
  model.script = [];
  const families = await scrape();
  const circuit = { circuit_name: 'openai/gpt-4o-mini' };
  expect(sum(find(families, 'retry_attempts_total', { provider: 'openai' }))).toBeGreaterThan(0);
  expect(find(families, 'circuit_breaker_state', circuit)[0]?.value).toBe(2);
  expect(find(families, 'llm_gateway_circuit_breaker_state', circuit)[0]?.value).toBe(2);
  expect(find(families, 'circuit_breaker_failures', circuit)[0]?.value).toBe(3);
  expect(
    find(families, 'llm_gateway_circuit_breaker_state_transitions_total', { ...circuit, to_state: 'open' }),
  ).toHaveLength(1);
});

test('paths are told by their routes', async () => {
  const paths = [
    ['/v1/sessions/sess_1', '/v1/sessions/{id}'],
    ['/sessions/sess_2', '/v1/sessions/{id}'],
    ['/v1/responses/r1/input_items?x=1', '/v1/responses/{id}/input_items'],
    ['/v1/models/openai/gpt-4o', '/v1/models/{id}'],
    ['/wp-admin/0123456789abcdef', 'other'],
    ['/health/', '/health'],
  ] as const;
  for (const [given] of paths) await (await fetch(gateway.url + given)).text();
  const families = await scrape();
  for (const [, label] of paths)
    expect(
      sum(find(families, 'llm_gateway_requests_total', { method: 'GET', path: label })),
      label,
    ).toBeGreaterThan(0);
  const text = JSON.stringify(families);
  for (const odd of ['sess_1', 'wp-admin', '"/metrics"']) expect(text).not.toContain(odd);
});

test('is served at both paths, and is what promtool wants', async () => {
  const families = await scrape();
  expect(lint(families)).toEqual([]);
  const slash = await fetch(`${gateway.url}/metrics/`, { redirect: 'error' });
  expect(slash.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const open = await fetch(`${gateway.url}/metrics`, {
    headers: { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' },
  });
  expect(open.headers.get('content-type')).toMatch(/^application\/openmetrics-text/);
});

test('with a token it is for who has it', async () => {
  const closed = await startGateway({ LLM_GATEWAY_METRICS_TOKEN: token });
  const status = async (authorization?: string): Promise<number> => {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await fetch(`${closed.url}/metrics`, { headers });
    expect(await response.text()).not.toContain(token);
    return response.status;
  };
  expect(await status()).toBe(401);
  expect(await status('Bearer wrong')).toBe(401);
  expect(await status(`Bearer ${token}x`)).toBe(401);
  expect(await status(`Bearer ${token}`)).toBe(200);
  await closed.stop();
});

test('turned off nothing is counted or served', async () => {
  const off = await startGateway({ LLM_GATEWAY_METRICS_ENABLED: 'false' });
  expect((await fetch(`${off.url}/metrics`)).status).toBe(404);
  expect((await chat({ model: 'fake/echo' }, off.url)).status).toBe(200);
  expect(off.gateway.metrics).toBeNull();
  await off.stop();
});

/** Names of metrics in an expression of PromQL. */
const metricsIn = (expression: string): string[] =>
  [
    ...expression
      .replaceAll(/"[^"]*"/g, '')
      .replaceAll(/\b(?:by|without|on)\s*\([^)]*\)/g, '')
      .matchAll(/\b[a-z]\w*_\w+\b(?!\s*\()(?=\s*[{[)>=\s]|$)/g),
  ]
    .map(([name]) => name)
    .filter((name) => name !== '__rate_interval');

test('dashboard and alerts name only metrics that there are', async () => {
  const read = (name: string): string => readFileSync(path.join(root, 'deploy', name), 'utf8');
  const dashboard = JSON.parse(read('grafana/llm-gateway.json')) as {
    panels: { targets?: { expr: string }[] }[];
  };
  const rules = parse(read('prometheus/alerts.yaml')) as { groups: { rules: { expr: string }[] }[] };
  const expressions = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...rules.groups.flatMap(({ rules: all }) => all.map(({ expr }) => expr)),
  ];
  const families = await scrape();
  const there = new Set(
    families.flatMap(({ name, type }) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  const named = new Set(expressions.flatMap(metricsIn));
  expect(named.size).toBeGreaterThan(25);
  expect([...named].filter((name) => !there.has(name))).toEqual([]);
});

test('promtool has nothing to object to', async (context) => {
  const run = promisify(execFile);
  const found = await run('promtool', ['--version']).then(
    () => true,
    () => false,
  );
  if (!found) return context.skip('promtool is not installed');
  await run('promtool', ['check', 'rules', path.join(root, 'deploy/prometheus/alerts.yaml')]);
  await run('promtool', ['check', 'config', path.join(root, 'deploy/prometheus/prometheus.yml')]);
  const child = run('promtool', ['check', 'metrics']);
  child.child.stdin?.end(await (await fetch(`${gateway.url}/metrics`)).text());
  const { stderr } = await child;
  expect(stderr).toBe('');
});

test.skipIf(!hasRedis)('a shared store tells of its commands, and when it is away', async () => {
  const redis = await startRedis();
  const shared = await startGateway({ LLM_GATEWAY_REDIS_URL: redis.url });
  const list = () => fetch(`${shared.url}/v1/sessions`).then((response) => response.text());
  const value = async (name: string, labels: Record<string, string>): Promise<number> =>
    sum(find(await scrape(shared.url), name, labels));
  await until(async () => (await value('llm_gateway_store_up', { store: 'redis' })) === 1);
  await list();
  expect(await value('llm_gateway_store_commands_total', { store: 'redis', outcome: 'ok' })).toBeGreaterThan(
    0,
  );
  expect(await value('llm_gateway_store_command_duration_seconds_count', { store: 'redis' })).toBeGreaterThan(
    0,
  );
  await redis.stop();
  await until(async () => (await value('llm_gateway_store_up', { store: 'redis' })) === 0);
  await list();
  expect(await value('llm_gateway_store_commands_total', { outcome: 'failed' })).toBeGreaterThan(0);
  await shared.stop();
});
