import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { IntegrationService } from '../../gen/llmgateway/v1/integration_service_pb.js';
import { integrationTable, operationsOf } from '../../src/config/integration-table.ts';
import { load } from '../config/support/load.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { bodyOf, type Platform, startPlatform } from '../support/platform.ts';
import { answer } from '../support/platform-service.ts';
import { until } from '../support/redis.ts';

let platform: Platform;
let gateway: RunningGateway;
beforeAll(async () => {
  platform = await startPlatform();
  gateway = await startGateway({ ...platform.env, LLM_GATEWAY_INTEGRATION_TIMEOUT_SECONDS: '300ms' });
});
afterEach(() => platform.reset());
afterAll(async () => {
  await gateway?.stop();
  platform?.close();
});

const call = (path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}/integrations/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

/** What each operation is asked with, and what its service gets. */
const cases: readonly (readonly [string, object, string, string, unknown])[] = [
  [
    'doc_store/store',
    { title: 'T', content: 'C', provider: 'openai', tokens_used: 3, processing_time: 0.5 },
    'POST',
    '/documents',
    {
      title: 'T',
      content: 'C',
      metadata: {
        llm_provider: 'openai',
        tokens_used: 3,
        processing_time: 0.5,
        timestamp: expect.any(String),
      },
    },
  ],
  ['doc_store/retrieve', { doc_id: 'a/b c' }, 'GET', '/documents/a%2Fb%20c', null],
  ['doc_store/search', { query: 'q' }, 'POST', '/documents/search', { query: 'q' }],
  [
    'prompt_store/get_optimized',
    { task_type: 'x' },
    'POST',
    '/prompts/optimized',
    { task_type: 'x', context: {} },
  ],
  [
    'prompt_store/store_prompt',
    { content: 'c' },
    'POST',
    '/prompts',
    { content: 'c', category: 'llm_gateway', variables: [] },
  ],
  ['prompt_store/get_prompts', {}, 'GET', '/prompts/category/general', null],
  [
    'memory_agent/store_interaction',
    { user_id: 'u', prompt: 'p', response: 'r', provider: 'openai' },
    'POST',
    '/memory',
    {
      user_id: 'u',
      interaction_type: 'llm_query',
      content: { prompt: 'p', response: 'r', provider: 'openai', context: null },
      metadata: { tokens_used: 0, processing_time: 0, timestamp: expect.any(String) },
    },
  ],
  ['memory_agent/retrieve_context', { user_id: 'u' }, 'GET', '/memory/u/context', null],
  ['memory_agent/get_conversation_history', { user_id: 'u' }, 'GET', '/memory/u/history?limit=10', null],
  [
    'interpreter/interpret_query',
    { query: 'q' },
    'POST',
    '/interpret',
    { query: 'q', context: {}, user_id: null },
  ],
  [
    'interpreter/translate_to_workflow',
    { query: 'q' },
    'POST',
    '/translate/workflow',
    { query: 'q', available_services: [], context: {} },
  ],
  [
    'interpreter/extract_entities',
    { text: 't' },
    'POST',
    '/extract/entities',
    { text: 't', entity_types: [] },
  ],
  [
    'orchestrator/execute_workflow',
    {},
    'POST',
    '/workflows/execute',
    { workflow_type: 'llm_processing', parameters: {}, context: {} },
  ],
  [
    'orchestrator/register_workflow',
    { workflow_name: 'w', workflow_definition: {} },
    'POST',
    '/workflows/register',
    { workflow_name: 'w', workflow_definition: {}, required_services: ['llm-gateway'] },
  ],
  ['orchestrator/get_service_status', {}, 'GET', '/services/status', null],
  [
    'summarizer_hub/summarize',
    { text: 't' },
    'POST',
    '/summarize/ensemble',
    { text: 't', providers: ['ollama'], prompt: null },
  ],
  ['summarizer_hub/get_providers', {}, 'GET', '/providers', null],
  ['secure_analyzer/analyze_security', { content: 'c' }, 'POST', '/detect', { content: 'c', keywords: [] }],
  [
    'secure_analyzer/get_secure_providers',
    { content: 'c' },
    'POST',
    '/suggest',
    { content: 'c', providers: [] },
  ],
  [
    'code_analyzer/analyze_code',
    { code: 'c' },
    'POST',
    '/analyze',
    { code: 'c', language: null, analysis_type: 'comprehensive' },
  ],
  ['code_analyzer/extract_endpoints', { code: 'c' }, 'POST', '/endpoints', { code: 'c' }],
  [
    'architecture_digitizer/digitize_architecture',
    { content: 'c' },
    'POST',
    '/digitize',
    { content: 'c', format: 'text', extract_relationships: true },
  ],
  [
    'architecture_digitizer/analyze_dependencies',
    { architecture_data: { a: 1 } },
    'POST',
    '/dependencies',
    { architecture_data: { a: 1 } },
  ],
  [
    'analysis_service/analyze_consistency',
    { content: 'c' },
    'POST',
    '/analyze',
    { content: 'c', thresholds: {}, analysis_type: 'consistency' },
  ],
  ['analysis_service/analyze_quality', { content: 'c' }, 'POST', '/quality', { content: 'c' }],
];

test('every operation has a case', () => {
  const all = Object.keys(integrationTable).flatMap((service) =>
    Object.keys(operationsOf(service as keyof typeof integrationTable)).map((name) => `${service}/${name}`),
  );
  expect(cases.map(([name]) => name).toSorted()).toEqual(all.toSorted());
});

describe.each(cases)('%s', (name, args, method, path, body) => {
  const service = name.split('/')[0] as string;

  test('asks its service, and hands on what it says', async () => {
    const response = await call(name, args, { 'x-correlation-id': 'c-1' });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-correlation-id')).toBe('c-1');
    expect(await bodyOf(response)).toMatchObject({ success: true, data: { service, method, path, body } });
    const [asked] = platform.of(service).asked;
    expect(asked).toMatchObject({ method, path });
    expect(asked?.body ?? null).toEqual(body);
  });

  test('is told of as failed when the service is slow, down or says so', async () => {
    const { asked } = platform.of(service);
    platform.of(service).instead = () => {};
    const slow = await call(name, args);
    expect([slow.status, (await bodyOf(slow))['error_code']]).toEqual([504, 'provider_error']);
    platform.of(service).instead = (_asked, response) => response.destroy();
    const down = await call(name, args);
    expect(down.status).toBe(502);
    expect(await bodyOf(down)).toMatchObject({
      success: false,
      error_code: 'provider_error',
      details: { provider: service },
      correlation_id: expect.any(String),
    });
    platform.of(service).instead = (_asked, response) => answer(response, 422, { detail: 'wrong' });
    asked.length = 0;
    const refused = await call(name, args);
    expect(refused.status).toBe(502);
    expect(await bodyOf(refused)).toMatchObject({
      message: expect.stringContaining('HTTP 422: {"detail":"wrong"}'),
      details: { upstream_status: 422 },
    });
    expect(asked).toHaveLength(1);
  });
});

test('what only reads is asked again, what writes is not once it may have arrived', async () => {
  const { asked } = platform.of('doc_store');
  platform.of('doc_store').instead = (_asked, response) =>
    asked.length < 3 ? answer(response, 503, {}) : answer(response, 200, { id: 7 });
  expect(await bodyOf(await call('doc_store/retrieve', { doc_id: '7' }))).toMatchObject({ data: { id: 7 } });
  expect(asked).toHaveLength(3);
  asked.length = 0;
  expect((await call('doc_store/search', { query: 'q' })).status).toBe(502);
  expect(asked).toHaveLength(1);
});

test('what writes is not asked again when the answer is no HTTP', async () => {
  const { asked } = platform.of('doc_store');
  platform.of('doc_store').instead = (_asked, response) => response.socket?.end('that was it\r\n\r\n');
  expect((await call('doc_store/search', { query: 'q' })).status).toBe(502);
  expect(asked).toHaveLength(1);
});

test('arguments that the query names are in it', async () => {
  const { asked } = platform.of('memory_agent');
  expect(
    (await call('memory_agent/get_conversation_history', { user_id: 'u', limit: 3, other: 'x' })).status,
  ).toBe(200);
  expect(asked[0]?.path).toBe('/memory/u/history?limit=3');
  const refused = await call('memory_agent/get_conversation_history', { user_id: 'u', limit: [1] });
  expect([refused.status, (await bodyOf(refused))['details']]).toMatchObject([400, { field: 'limit' }]);
});

test.each([
  ['nobody/search', {}, 404, 'not_found', 'service'],
  ['doc_store/burn', {}, 404, 'not_found', 'operation'],
  ['doc_store/constructor', {}, 404, 'not_found', 'operation'],
  ['doc_store', {}, 404, 'not_found', undefined],
  ['doc_store/search', {}, 400, 'validation_error', 'query'],
  ['doc_store/search', [], 400, 'validation_error', 'body'],
  ['doc_store/retrieve', { doc_id: '..' }, 400, 'validation_error', 'doc_id'],
  ['doc_store/retrieve', { doc_id: {} }, 400, 'validation_error', 'doc_id'],
])('%s with %j is refused', async (path, body, status, code, field) => {
  const response = await call(path, body);
  expect(response.status).toBe(status);
  const told = await bodyOf(response);
  expect(told).toMatchObject({ success: false, error_code: code });
  expect((told['details'] as { field?: string }).field).toBe(field);
  expect(platform.of('doc_store').asked).toEqual([]);
});

test('names may have hyphens', async () => {
  expect((await call('doc-store/search', { query: 'q' })).status).toBe(200);
});

test.each([
  ['', null],
  ['plain text', 'plain text'],
  ['[1, 12345678901234567890]', '[1, 12345678901234567890]'],
])('an answer of %j is handed on', async (text, data) => {
  platform.of('doc_store').instead = (_asked, response) => answer(response, 200, text);
  const json = await (await call('doc_store/search', { query: 'q' })).text();
  expect(json).toContain(`"data":${text.startsWith('[') ? data : JSON.stringify(data)}}`);
});

test('the status of all is asked for at once, and tells what is slow, unwell or away', async () => {
  platform.of('doc_store').instead = () => {};
  platform.of('prompt_store').instead = () => {};
  platform.of('interpreter').instead = (_asked, response) => answer(response, 200, { status: 'tired' });
  platform.of('orchestrator').instead = (_asked, response) => answer(response, 500, {});
  platform.of('memory_agent').instead = (_asked, response) => response.destroy();
  const began = performance.now();
  const body = await bodyOf(await fetch(`${gateway.url}/services/status`));
  // One bound, not one for each.
  expect(performance.now() - began).toBeLessThan(1_900);
  expect(body).toMatchObject({
    overall_status: 'degraded',
    healthy_services: 5,
    services: {
      doc_store: { status: 'error', error: 'no answer within 1000 ms' },
      'prompt-store': { status: 'error' },
      'memory-agent': { status: 'error', error: 'the connection broke' },
      interpreter: { status: 'unhealthy' },
      orchestrator: { status: 'unhealthy', error: 'HTTP 500' },
      'code-analyzer': { status: 'healthy', response_time: expect.any(Number) },
    },
  });
});

test('each service is asked for its state once a second, however many want to know', async () => {
  const own = await startGateway(platform.env);
  try {
    const service = platform.of('doc_store');
    const answers: (() => void)[] = [];
    service.instead = (_asked, response) =>
      void answers.push(() => answer(response, 200, { status: 'healthy' }));
    const stop = new AbortController();
    const first = fetch(`${own.url}/services/status`, { signal: stop.signal });
    await service.next();
    // The others get the answer all the same.
    stop.abort();
    await expect(first).rejects.toThrow();
    const bodies = Array.from({ length: 20 }, async () => bodyOf(await fetch(`${own.url}/services/status`)));
    for (const tell of answers) tell();
    for (const body of bodies) expect((await body)['healthy_services']).toBe(10);
    expect(service.asked).toHaveLength(1);
  } finally {
    await own.stop();
  }
});

test('a service that is slow does not hide the others from the health of the gateway', async () => {
  const own = await startGateway({
    ...platform.env,
    LLM_GATEWAY_INTEGRATION_OPTIONAL_TIMEOUT_SECONDS: '5',
    LLM_GATEWAY_HEALTH_TIMEOUT_SECONDS: '300ms',
  });
  try {
    platform.of('doc_store').instead = () => {};
    const { service_integrations: states } = await bodyOf(await fetch(`${own.url}/health/detailed`));
    expect(states).toMatchObject({
      doc_store: { status: 'error' },
      'prompt-store': { status: 'healthy' },
    });
  } finally {
    await own.stop();
  }
});

describe.each(['gRPC', 'Connect JSON over HTTP/1.1'] as const)('by %s', (face) => {
  const client = () => createClient(IntegrationService, rpcTransports[face](gateway.url));

  test('a service is asked', async () => {
    const { resultJson } = await client().callIntegration({
      service: 'code_analyzer',
      operation: 'extract_endpoints',
      argumentsJson: '{"code":"x"}',
    });
    expect(JSON.parse(resultJson)).toMatchObject({ path: '/endpoints', body: { code: 'x' } });
  });

  test('failures have their codes', async () => {
    const asked = { service: 'nobody', operation: 'x' };
    await expect(client().callIntegration(asked)).rejects.toMatchObject({
      rawMessage: expect.stringMatching(/no service/),
    });
    platform.of('doc_store').instead = (_asked, response) => response.destroy();
    await expect(
      client().callIntegration({ service: 'doc_store', operation: 'search', argumentsJson: '{"query":"q"}' }),
    ).rejects.toMatchObject({ code: 14 });
  });

  test('services and their states are listed', async () => {
    const { services } = await client().listIntegrations({});
    expect(services).toHaveLength(10);
    expect(services[0]).toMatchObject({
      name: 'doc_store',
      enabled: true,
      operations: ['store', 'retrieve', 'search'],
    });
    // For a second it is told what was before.
    await until(async () => (await client().getServicesStatus({})).healthyServices === 10);
    expect((await client().getServicesStatus({})).overallStatus).toBe('healthy');
  });
});

test('paths and addresses are configured, and services are switched off', async () => {
  const { integrationPaths, docStoreUrl, interpreterUrl } = load(
    `integrations:
  doc_store: { url: "http://docs:1" }
  interpreter: { url: off }
  paths:
    doc_store: { retrieve: "/api/v1/documents/{doc_id}" }
`,
    {},
  );
  expect({ integrationPaths, docStoreUrl, interpreterUrl }).toEqual({
    integrationPaths: { doc_store: { retrieve: '/api/v1/documents/{doc_id}' } },
    docStoreUrl: 'http://docs:1',
    interpreterUrl: 'off',
  });
  expect(() => load('integrations: { paths: { doc_stor: {} } }', {})).toThrow(/did you mean doc_store/);
  expect(() => load('integrations: { paths: { doc_store: { retrieve: /x } } }', {})).toThrow(/\{doc_id\}/);
  expect(load('', { DOC_STORE_URL: 'http://plain:2' }).docStoreUrl).toBe('http://plain:2');
});
