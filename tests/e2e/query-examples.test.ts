import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { answered } from '../http/support/upstream.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { bodyOf, type Platform, startPlatform } from '../support/platform.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

// Every request that the documentation of the gateway before this one has as an example; the sensitive one is in query-security.test.ts.

let model: ScriptedModel;
let platform: Platform;
let gateway: RunningGateway;
beforeAll(async () => {
  model = await startModel();
  platform = await startPlatform();
  gateway = await startGateway({
    ...platform.env,
    OPENAI_API_KEY: 'sk-test',
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
    LLM_GATEWAY_ADMIN_TOKEN: 'admin-token-of-sixteen',
    LLM_GATEWAY_CACHE: 'true',
  });
});
afterEach(() => {
  model.script = [];
  model.asked.length = 0;
  platform.reset();
});
afterAll(async () => {
  await gateway?.stop();
  model?.close();
  platform?.close();
});

const post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

const answer = {
  response: expect.any(String),
  provider: 'openai',
  tokens_used: 12,
  processing_time: expect.any(Number),
  cost: expect.any(Number),
  cached: false,
  correlation_id: expect.stringMatching(/^gw-\d{10}$/),
};

describe('POST /query', () => {
  test('with every field', async () => {
    model.script = [{ text: 'Generated LLM response text' }];
    const response = await post('/query', {
      prompt: 'Summarize the following content:',
      context: 'Additional context information',
      provider: 'auto',
      model: 'gpt-4o',
      temperature: 0.7,
      max_tokens: 1024,
      user_id: 'user123',
      force_refresh: false,
    });
    expect(response.status).toBe(200);
    const body = await bodyOf(response);
    expect(body).toEqual({ ...answer, response: 'Generated LLM response text' });
    expect(response.headers.get('x-correlation-id')).toBe(body['correlation_id']);
    expect(model.asked[0]).toMatchObject({
      model: 'gpt-4o',
      temperature: 0.7,
      max_completion_tokens: 1024,
      messages: [
        { role: 'system', content: 'Additional context information' },
        { role: 'user', content: 'Summarize the following content:' },
      ],
    });
  });

  test.each([
    [{ prompt: 'Explain quantum computing in simple terms', temperature: 0.7, max_tokens: 500 }],
    [{ prompt: 'Hello, world!' }],
  ])('%j', async (body) => {
    const response = await post('/query', body);
    expect(response.status).toBe(200);
    expect(await bodyOf(response)).toEqual({ ...answer, response: 'done' });
  });
});

test('POST /chat', async () => {
  const response = await post('/chat', {
    prompt: 'Tell me more about this topic',
    context: 'Previous conversation context',
    conversation_id: 'conv_123',
    user_id: 'user123',
  });
  expect(response.status).toBe(200);
  expect(await bodyOf(response)).toEqual({ ...answer, response: 'done' });
});

test('POST /embeddings', async () => {
  const vector = { object: 'list', data: [{ index: 0, embedding: [0.123, 0.456] }], model: 'm', usage: {} };
  model.script = [
    ({ socket }) => socket.write(answered(JSON.stringify(vector)).replace('text/plain', 'application/json')),
  ];
  const response = await post('/embeddings', {
    text: 'Text to embed',
    model: 'text-embedding-ada-002',
    provider: 'openai',
    user_id: 'user123',
  });
  expect(await bodyOf(response)).toEqual({
    embeddings: [0.123, 0.456],
    model: 'text-embedding-ada-002',
    provider: 'openai',
    dimensions: 2,
  });
  expect(model.asked[0]).toMatchObject({ model: 'text-embedding-ada-002' });
});

test('POST /stream', async () => {
  model.script = [{ text: 'The answer is 42' }];
  const response = await post('/stream', { prompt: 'Write a short story about AI', provider: 'openai' });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const frames = (await response.text()).split('\n\n').filter((frame) => frame !== '');
  expect(frames.at(-1)).toBe('data: [DONE]');
  const pieces = frames.slice(0, -1).map((frame) => JSON.parse(frame.slice('data: '.length)));
  for (const piece of pieces) expect(Object.keys(piece)).toEqual(['chunk', 'finished']);
  expect(pieces.map(({ chunk }) => chunk).join('')).toBe('The answer is 42');
  expect(pieces.map(({ finished }) => finished)).toEqual([...pieces.slice(1).map(() => false), true]);
});

test('GET /providers', async () => {
  const { providers } = (await bodyOf(await fetch(`${gateway.url}/providers`))) as {
    providers: Record<string, unknown>[];
  };
  const byName = new Map(providers.map((provider) => [provider['name'], provider]));
  expect(byName.get('openai')).toEqual({
    name: 'openai',
    type: 'cloud',
    model: 'gpt-4o',
    security_level: 'medium',
    cost_per_token: expect.any(Number),
    status: 'available',
  });
  expect(byName.get('ollama')).toMatchObject({
    type: 'local',
    model: 'llama3',
    security_level: 'high',
    cost_per_token: 0,
    status: 'unavailable',
  });
  for (const name of ['anthropic', 'bedrock', 'grok']) expect(byName.has(name)).toBe(true);
});

test('GET /metrics', async () => {
  await post('/query', { prompt: 'For the metrics' });
  const response = await fetch(`${gateway.url}/metrics`, { headers: { accept: 'application/json' } });
  const body = await bodyOf(response);
  expect(body).toEqual({
    total_requests: expect.any(Number),
    requests_by_provider: { openai: expect.any(Number) },
    total_tokens_used: expect.any(Number),
    total_cost: expect.any(Number),
    average_response_time: expect.any(Number),
    cache_hit_rate: expect.any(Number),
    error_rate: expect.any(Number),
    uptime_percentage: 100,
  });
  expect(body['total_requests']).toBeGreaterThan(0);
  const text = await fetch(`${gateway.url}/metrics`);
  expect(await text.text()).toMatch(/^# HELP /);
});

test.each([
  ['GET /metrics/performance', '/metrics/performance', 24],
  ['of an hour', '/metrics/performance?hours=1', 1],
])('%s', async (_name, path, hours) => {
  await post('/query', { prompt: 'For the performance' });
  const body = await bodyOf(await fetch(`${gateway.url}${path}`));
  expect(body).toEqual({
    time_period_hours: hours,
    total_requests: expect.any(Number),
    successful_requests: expect.any(Number),
    failed_requests: expect.any(Number),
    success_rate: expect.any(Number),
    average_response_time: expect.any(Number),
    total_tokens: expect.any(Number),
    total_cost: expect.any(Number),
    requests_per_hour: expect.any(Number),
    tokens_per_hour: expect.any(Number),
    cost_per_hour: expect.any(Number),
    provider_breakdown: {
      openai: { requests: expect.any(Number), tokens: expect.any(Number), cost: expect.any(Number) },
    },
    slow_requests: [],
    percentiles: { p50: expect.any(Number), p95: expect.any(Number), p99: expect.any(Number) },
  });
  expect(body['successful_requests']).toBeGreaterThan(0);
  expect((body['percentiles'] as { p50: number }).p50).toBeGreaterThan(0);
});

describe('POST /cache/clear', () => {
  const token = { authorization: 'Bearer admin-token-of-sixteen' };
  test('with pattern and user', async () => {
    const long = { prompt: 'To be cleared', user_id: 'user123' };
    await post('/query', long);
    expect(await bodyOf(await post('/query', long))).toMatchObject({
      cached: true,
      provider: 'cache',
      tokens_used: 0,
      cost: null,
      response: 'done',
    });
    const response = await post('/cache/clear', { pattern: 'user123_*', user_id: 'user123' }, token);
    const body = await bodyOf(response);
    expect(body).toEqual({ entries_cleared: expect.any(Number), pattern: 'user123_*' });
    expect(body['entries_cleared']).toBeGreaterThan(0);
    expect(await bodyOf(await post('/query', long))).toMatchObject({ cached: false });
  });

  test.each([[undefined], [{ user_id: 'user123' }]])('%j', async (body) => {
    const response = await post('/cache/clear', body, token);
    expect(await bodyOf(response)).toEqual({ entries_cleared: expect.any(Number) });
  });
});

test('GET /cache/status', async () => {
  expect(await bodyOf(await fetch(`${gateway.url}/cache/status`))).toMatchObject({
    total_entries: expect.any(Number),
    total_size_bytes: expect.any(Number),
    total_size_mb: expect.any(Number),
    max_size: expect.any(Number),
    utilization_percent: expect.any(Number),
    hits: expect.any(Number),
    misses: expect.any(Number),
    hit_rate: expect.any(Number),
  });
});

test('GET /health/detailed', async () => {
  const body = await bodyOf(await fetch(`${gateway.url}/health/detailed`));
  expect(body).toMatchObject({
    version: expect.any(String),
    uptime: expect.any(Number),
    providers: { openai: { available: true, status: 'healthy' }, ollama: { available: false } },
    cache: { status: 'healthy', total_entries: expect.any(Number), total_size_mb: expect.any(Number) },
    rate_limiter: { active_users: expect.any(Number), global_requests_last_minute: expect.any(Number) },
    service_integrations: { doc_store: { status: 'healthy' }, 'memory-agent': { status: 'healthy' } },
    // No inference service is there.
    service: 'degraded',
    timestamp: expect.any(Number),
  });
  expect(body['providers']).toMatchObject({
    openai: { last_checked: expect.any(Number) },
    grok: { available: false },
  });
});

test('administrators get the numbers by RPC as well', async () => {
  await post('/query', { prompt: 'For the numbers' });
  const admin = createClient(AdminService, rpcTransports.gRPC(gateway.url));
  const headers = { authorization: 'Bearer admin-token-of-sixteen' };
  const { totalRequests, requestsByProvider } = await admin.getMetricsSummary({}, { headers });
  expect(totalRequests).toBeGreaterThan(0n);
  expect(requestsByProvider['openai']).toBeGreaterThan(0n);
  const { timePeriodHours, successfulRequests } = await admin.getPerformance({ hours: 2 }, { headers });
  expect([timePeriodHours, successfulRequests > 0n]).toEqual([2, true]);
  const { cache, limiter, integrations } = await admin.getHealth({}, { headers });
  expect([cache?.status, limiter === undefined, integrations.length]).toEqual(['healthy', false, 10]);
  await expect(admin.getPerformance({})).rejects.toMatchObject({ code: 16 });
});

test('what only administrators may do is refused in the same form', async () => {
  for (const path of ['/admin/reset-limits']) {
    const response = await post(path, {}, { 'x-correlation-id': 'mine' });
    expect(response.status).toBe(401);
    expect(await bodyOf(response)).toMatchObject({
      success: false,
      error_code: 'unauthorized',
      correlation_id: 'mine',
    });
  }
});

test('GET /rate-limit/status of a user', async () => {
  const response = await fetch(`${gateway.url}/rate-limit/status?user_id=user123`, {
    headers: { authorization: 'Bearer admin-token-of-sixteen' },
  });
  expect(await bodyOf(response)).toMatchObject({ user_id: 'user123', status: expect.any(String) });
});

test('POST /admin/reset-limits', async () => {
  const token = { authorization: 'Bearer admin-token-of-sixteen' };
  const response = await post('/admin/reset-limits', { user_id: 'user123' }, token);
  expect(await bodyOf(response)).toMatchObject({ reset: true, user_id: 'user123' });
});

describe('with the services of the platform', () => {
  test('POST /enhanced-query', async () => {
    const response = await post('/enhanced-query', {
      prompt: 'Analyze this technical document',
      user_id: 'developer123',
    });
    expect(await bodyOf(response)).toEqual({
      ...answer,
      correlation_id: expect.stringMatching(/^enhanced-\d{10}$/),
      details: {
        services_used: expect.arrayContaining([
          'interpreter',
          'prompt_store',
          'memory_agent',
          'secure_analyzer',
          'doc_store',
        ]),
        services_skipped: [],
        skipped_reasons: {},
      },
    });
  });

  test('POST /workflow-query', async () => {
    platform.answers.set('orchestrator /workflows/execute', { workflow_id: 'w1' });
    const response = await post(
      '/workflow-query',
      { prompt: 'Create documentation for this API', user_id: 'developer123' },
      { 'x-workflow-type': 'documentation_generation', 'x-correlation-id': 'mine' },
    );
    expect(await bodyOf(response)).toEqual({
      success: true,
      message: expect.any(String),
      timestamp: expect.any(String),
      request_id: expect.any(String),
      data: { workflow_id: 'w1' },
    });
    expect(platform.of('orchestrator').asked[0]?.body).toEqual({
      workflow_type: 'documentation_generation',
      parameters: {
        llm_query: {
          prompt: 'Create documentation for this API',
          user_id: 'developer123',
          force_refresh: false,
        },
        user_id: 'developer123',
        correlation_id: 'mine',
      },
      context: {},
    });
  });

  test('POST /contextual-query', async () => {
    const found = { documents: [{ title: 'Errors', content: 'Check the token.' }] };
    platform.answers.set('doc_store /documents/search', found);
    const response = await post('/contextual-query', {
      prompt: 'Explain this error',
      context: { search_terms: 'authentication error' },
    });
    expect(await bodyOf(response)).toMatchObject({
      ...answer,
      details: { services_used: ['memory_agent', 'doc_store', 'prompt_store'], services_skipped: [] },
    });
    const asked = String((model.messages().at(-1) as { content: string }).content);
    expect(asked).toContain('Documents found: 1\n1. Errors: Check the token.');
    expect(asked.endsWith('Explain this error')).toBe(true);
  });

  test('GET /services/status', async () => {
    const body = await bodyOf(await fetch(`${gateway.url}/services/status`));
    expect(body).toMatchObject({
      overall_status: 'healthy',
      total_services: 10,
      healthy_services: 10,
      timestamp: expect.any(String),
    });
    expect(Object.keys(body['services'] as object)).toEqual([
      'doc_store',
      'prompt-store',
      'memory-agent',
      'interpreter',
      'orchestrator',
      'summarizer-hub',
      'secure-analyzer',
      'code-analyzer',
      'architecture-digitizer',
      'analysis-service',
    ]);
  });

  test('POST /integrations/interpreter/interpret_query', async () => {
    const response = await post('/integrations/interpreter/interpret_query', {
      query: 'analyze this code',
      context: { language: 'python' },
    });
    expect(await bodyOf(response)).toMatchObject({
      success: true,
      data: {
        path: '/interpret',
        body: { query: 'analyze this code', context: { language: 'python' }, user_id: null },
      },
    });
  });
});
