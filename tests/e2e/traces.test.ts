import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withTrace } from '../../scripts/trace-example.ts';
import { type Collector, type ReceivedSpan, startCollector } from '../support/collector.ts';
import {
  chatClient,
  type RpcFace,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';
import { type JsonServer, startJsonServer } from '../support/json-server.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
const question = [{ role: 'user', content: 'the very words of the user' }];

let collector: Collector;
let model: ScriptedModel;
let search: JsonServer;
let gateway: RunningGateway;

const environment = () => ({
  LLM_GATEWAY_OTLP_ENDPOINT: collector.url,
  LLM_GATEWAY_SEMANTIC_SEARCH_URL: search.origin,
  OPENAI_API_KEY: 'sk-planted-0123456789',
  LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
});
beforeEach(async () => {
  collector = await startCollector();
  model = await startModel();
  search = await startJsonServer({ '/v1/search': () => ({ results: [] }) });
  gateway = await startGateway(environment());
});
afterEach(async () => {
  await gateway.stop();
  model.close();
  search.close();
  collector.close();
});

const post = (body: object, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'openai/gpt-4o', messages: question, ...body }),
  });
const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.find((span) => span.name === name);
  if (found === undefined) throw new Error(`no ${name} in ${spans.map((span) => span.name).join(', ')}`);
  return found;
};
const server = (spans: readonly ReceivedSpan[]) => spans.some(({ kind }) => kind === 2);
/** Headers of what the provider was asked. */
const told = () => model.heads.map((head) => /^traceparent: (.*)\r$/im.exec(head)?.[1]);

test('a request, and what the provider is asked for it, are spans of the client’s trace', async () => {
  const response = await post({}, { traceparent, tracestate: 'vendor=1' });
  expect(response.status).toBe(200);
  const spans = await collector.until(server);
  const request = named(spans, 'POST /v1/chat/completions');
  const asked = named(spans, 'chat gpt-4o');
  expect(request).toMatchObject({
    traceId,
    parent: 'b7ad6b7169203331',
    kind: 2,
    state: 'vendor=1',
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/v1/chat/completions',
      'http.response.status_code': 200,
      'gen_ai.request.model': 'openai/gpt-4o',
      'gen_ai.usage.input_tokens': 10,
    },
  });
  expect(asked).toMatchObject({
    traceId,
    parent: request.spanId,
    kind: 3,
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.usage.input_tokens': 10,
      'gen_ai.usage.output_tokens': 2,
      'gen_ai.response.finish_reasons': ['stop'],
    },
  });
  expect(told()).toEqual([`00-${traceId}-${asked.spanId}-01`]);
  expect(asked.end >= asked.start && request.end >= asked.end).toBe(true);
  expect(collector.resource).toMatchObject({ 'service.name': 'llm-gateway' });
  const line = gateway.log.find(({ message }) => message === 'call');
  expect(line).toMatchObject({ trace_id: traceId, span_id: request.spanId });
});

test('the first output of a stream is an event', async () => {
  await (await post({ stream: true })).text();
  const spans = await collector.until(server);
  expect(named(spans, 'chat gpt-4o').events).toEqual(['first_token']);
  expect(named(spans, 'chat gpt-4o').attributes['gen_ai.response.finish_reasons']).toEqual(['stop']);
  const request = named(spans, 'POST /v1/chat/completions');
  expect([request.parent, request.events]).toEqual(['', ['first_output']]);
  const [at = 0n] = request.eventTimes;
  expect(at > request.start && at < request.end).toBe(true);
});

test.each(Object.keys(rpcTransports) as RpcFace[])('over %s', async (face) => {
  const request = {
    model: 'openai/gpt-4o',
    messages: [{ role: 1, parts: [{ content: { case: 'text', value: { text: 'hi' } } }] }],
  };
  await chatClient(face, gateway.url).createChatCompletion(request as never, { headers: { traceparent } });
  const spans = await collector.until(server);
  const rpc = named(spans, 'llmgateway.v1.ChatService/CreateChatCompletion');
  expect(rpc).toMatchObject({
    traceId,
    parent: 'b7ad6b7169203331',
    attributes: {
      'rpc.system.name': /^gRPC/.test(face) ? 'grpc' : 'connectrpc',
      'rpc.method': 'llmgateway.v1.ChatService/CreateChatCompletion',
    },
  });
  if (face === 'gRPC') expect(rpc.attributes['rpc.response.status_code']).toBe('OK');
  expect(named(spans, 'chat gpt-4o').parent).toBe(rpc.spanId);
});

test('a failure has its reason and no word of the provider', async () => {
  model.script = [
    ({ socket }) => {
      const body = JSON.stringify({ error: { message: 'no: sk-secret-in-the-error-0123', code: 'x' } });
      socket.write(
        `HTTP/1.1 500 No\r\ncontent-length: ${body.length}\r\ncontent-type: application/json\r\n\r\n${body}`,
      );
    },
  ];
  expect((await post({})).status).toBe(502);
  const spans = await collector.until(server);
  expect(named(spans, 'chat gpt-4o')).toMatchObject({
    status: 2,
    attributes: { 'error.type': 'upstream_failed', 'http.response.status_code': 500 },
  });
  expect(named(spans, 'POST /v1/chat/completions').status).toBe(2);
  const all = JSON.stringify(spans, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
  expect(all).not.toMatch(/sk-secret|sk-planted/);
  expect(all).not.toContain('the very words');
});

test('what a call waits for has spans: sessions, tools', async () => {
  const made = await fetch(`${gateway.url}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  const { id } = (await made.json()) as { id: string };
  model.script = [{ calls: [['c1', 'search_corpus', '{"query":"x"}']] }, { text: 'found' }];
  await post({ session_id: id, gateway_tools: ['search_corpus'] }, { traceparent });
  const spans = (await collector.until((all) => all.some(({ name }) => name.includes('/chat/')))).filter(
    (span) => span.traceId === traceId,
  );
  const request = named(spans, 'POST /v1/chat/completions');
  for (const name of ['session', 'execute_tool search_corpus', 'chat gpt-4o'])
    expect(named(spans, name).parent).toBe(request.spanId);
  expect(spans.filter(({ name }) => name === 'chat gpt-4o')).toHaveLength(2);
  expect(request.attributes['gen_ai.conversation.id']).toBe(id);
  const tool = named(spans, 'execute_tool search_corpus');
  expect(search.got.at(-1)?.headers['traceparent']).toBe(`00-${traceId}-${tool.spanId}-01`);
});

test('a client that does not record is not recorded, and its trace goes on', async () => {
  await post({}, { traceparent: `${traceparent.slice(0, -2)}00` });
  await post({});
  const spans = await collector.until(server);
  expect(spans.filter((span) => span.traceId === traceId)).toEqual([]);
  expect(told()[0]).toMatch(new RegExp(`^00-${traceId}-[\\da-f]{16}-00$`));
});

test('of the traces begun here the configured share is recorded', async () => {
  const rare = await startGateway({ ...environment(), LLM_GATEWAY_TRACES_SAMPLE_RATIO: '0' });
  const ask = (headers: Record<string, string>) =>
    fetch(`${rare.url}/v1/models`, { headers }).then((response) => response.text());
  await ask({});
  await ask({ traceparent });
  await rare.stop();
  expect(collector.spans.map((span) => span.traceId)).toEqual([traceId]);
});

test('contents are there only where that is asked for, cut short and masked', async () => {
  const open = await startGateway({ ...environment(), LLM_GATEWAY_TRACES_CONTENT: 'true' });
  const said = `my key is sk-live-0123456789abcdef ${'x'.repeat(20_000)}`;
  await fetch(`${open.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'openai/gpt-4o',
      stream: true,
      messages: [{ role: 'user', content: said }],
    }),
  }).then((response) => response.text());
  await open.stop();
  const { attributes } = named(collector.spans, 'chat gpt-4o');
  const input = attributes['gen_ai.input.messages'] as string;
  expect(input).toContain('my key is [redacted] xxx');
  expect(input.length).toBeLessThan(9_000);
  expect(attributes['gen_ai.output.messages']).toBe('done');
});

test('health checks and scrapes leave no spans', async () => {
  for (const where of ['/health', '/metrics', '/metrics/', '/'])
    await (await fetch(gateway.url + where)).text();
  await (await fetch(`${gateway.url}/v1/models?key=sk-in-the-query-0123456`)).text();
  const spans = await collector.until(server);
  expect(spans.map(({ name }) => name)).toEqual(['GET /v1/models']);
  expect(spans[0]?.attributes['url.path']).toBe('/v1/models');
});

test('a collector that refuses costs no call, and is told of once; so is its return', async () => {
  collector.status = 400;
  const lines = () => gateway.log.filter(({ module }) => module === 'traces').map(({ message }) => message);
  const exported = async (outcome: string) => {
    for (;;) {
      const text = await (await fetch(`${gateway.url}/metrics`)).text();
      if (text.includes(`llm_gateway_trace_spans_total{outcome="${outcome}"}`)) return;
    }
  };
  expect((await post({})).status).toBe(200);
  await exported('lost');
  expect((await post({})).status).toBe(200);
  collector.status = 200;
  await exported('taken');
  expect(lines()).toEqual(['the collector does not take traces', 'the collector takes traces again']);
});

test('nobody at the address: calls go on, and the end does not wait long', async () => {
  const alone = await startGateway({ ...environment(), LLM_GATEWAY_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
  const response = await fetch(`${alone.url}/v1/models`);
  expect(response.status).toBe(200);
  const began = performance.now();
  await alone.stop();
  expect(performance.now() - began).toBeLessThan(4_000);
});

test('headers for the collector are sent to it and shown nowhere', async () => {
  const value = 'very-hidden-0123456';
  const other = await startGateway({ ...environment(), OTEL_EXPORTER_OTLP_HEADERS: `x-collector=${value}` });
  await (await fetch(`${other.url}/v1/models`)).text();
  await other.stop();
  expect(collector.headers['x-collector']).toBe(value);
  expect(JSON.stringify(other.log)).not.toContain(value);
});

test('without a collector providers are told of the client’s trace as it is', async () => {
  const plain = await startGateway({ ...environment(), LLM_GATEWAY_OTLP_ENDPOINT: '' });
  const ask = (headers: Record<string, string>) =>
    fetch(`${plain.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'openai/gpt-4o', messages: question }),
    });
  await ask({ traceparent });
  await ask({});
  await plain.stop();
  expect(told()).toEqual([traceparent, undefined]);
});

test('the trace in the documents is that of a call with a tool and a fallback', async () => {
  const falling = await startGateway({
    ...environment(),
    ANTHROPIC_API_KEY: 'k',
    LLM_GATEWAY_ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
    LLM_GATEWAY_CONFIG: path.join(import.meta.dirname, '../support/trace-example.yaml'),
  });
  model.script = [{ calls: [['c1', 'search_corpus', '{"query":"x"}']] }, { text: 'found' }];
  const response = await fetch(`${falling.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({
      model: 'claude-sonnet-4-5',
      messages: question,
      gateway_tools: ['search_corpus'],
    }),
  });
  expect(response.status).toBe(200);
  await falling.stop();
  const spans = collector.spans.filter((span) => span.traceId === traceId);
  const page = readFileSync(path.join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
  expect(withTrace(page, spans)).toBe(page);
});
