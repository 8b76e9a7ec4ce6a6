import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EmbeddingsService } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { IntegrationService } from '../../gen/llmgateway/v1/integration_service_pb.js';
import { QueryService } from '../../gen/llmgateway/v1/query_service_pb.js';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { ToolService } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { fullFiles } from '../../src/audit/files.ts';
import { verifyTrail } from '../../src/audit/verify.ts';
import { anonymous } from '../../src/auth/principal.ts';
import { answered, startUpstream } from '../http/support/upstream.ts';
import { callFace } from '../support/faces.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { startPlatform } from '../support/platform.ts';
import { parseScrape } from '../support/prometheus.ts';
import { hasRedis, startRedis, until } from '../support/redis.ts';

let folder: string;
let file: string;
let gateway: RunningGateway | null = null;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(tmpdir(), 'audit-'));
  file = path.join(folder, 'audit.jsonl');
});
afterEach(async () => {
  await gateway?.stop();
  gateway = null;
  fs.rmSync(folder, { recursive: true, force: true });
});

type Line = Record<string, unknown>;
const read = (): Line[] =>
  [...fullFiles(file), file].flatMap((one) =>
    fs
      .readFileSync(one, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line),
  );

const post = (url: string, body: object, id: string): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': id },
    body: JSON.stringify(body),
  });

const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';
const rpcFaces = Object.keys(rpcTransports) as RpcFace[];
const said = 'a private remark about penguins';

test('a thousand calls on all faces have a line each, and verify', async () => {
  const platform = await startPlatform();
  // One that is away.
  platform.of('summarizer_hub').close();
  gateway = await startGateway({
    ...platform.env,
    AUDIT_LOG_PATH: file,
    LLM_GATEWAY_AUDIT_MAX_FILE_BYTES: '64KiB',
    LLM_GATEWAY_SECURITY_MODE: 'route',
    LLM_GATEWAY_CACHE: 'true',
    LLM_GATEWAY_QUERY_PROVIDERS: 'bedrock',
    OPENAI_API_KEY: 'k',
  });
  const { url } = gateway;
  const text = (i: number): string => (i % 9 === 0 ? `${said} ${secret}` : said);
  const user = (i: number) => [{ role: 'user', content: text(i) }];
  const vectors = createClient(EmbeddingsService, rpcTransports.gRPC(url));
  const queries = createClient(QueryService, rpcTransports['gRPC-Web over HTTP/1.1'](url));
  const streams = createClient(QueryService, rpcTransports.gRPC(url));
  const integrations = createClient(IntegrationService, rpcTransports['Connect JSON over HTTP/1.1'](url));
  const rest = (path: string, body: object, i: number) => post(`${url}/${path}`, body, `n${i}`);
  const endless = 'fake/slow?words=100000';
  /** Leaves in the middle of a stream. */
  const leaves = async (path: string, body: object, i: number): Promise<void> => {
    const abort = new AbortController();
    const response = await fetch(`${url}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': `n${i}` },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    await response.body?.getReader().read();
    abort.abort();
  };
  const fake = { provider: 'fake' };
  const kinds: ((i: number) => Promise<unknown>)[] = [
    (i) => rest('v1/chat/completions', { model: 'fake/echo', user: 'u7', messages: user(i) }, i),
    (i) => rest('v1/chat/completions', { model: 'fake/echo', stream: true, messages: user(i) }, i),
    (i) => rest('v1/messages', { model: 'fake/echo', max_tokens: 9, messages: user(i) }, i),
    (i) => rest('v1/messages', { model: 'fake/echo', max_tokens: 9, stream: true, messages: user(i) }, i),
    (i) => rest('v1/messages/count_tokens', { model: 'fake/echo', messages: user(i) }, i),
    (i) => rest('v1/responses', { model: 'fake/echo', input: text(i) }, i),
    (i) => rest('v1/responses', { model: 'fake/echo', stream: true, input: text(i) }, i),
    (i) => rest('v1/embeddings', { model: 'fake/embed', input: text(i) }, i),
    (i) =>
      callFace(rpcFaces[i % rpcFaces.length] as RpcFace, url, 'fake/echo', {
        stream: i % 3 === 0,
        text: text(i),
      }),
    (i) =>
      vectors.createEmbeddings({
        model: 'fake/embed',
        inputs: [{ content: { case: 'text', value: text(i) } }],
      }),
    (i) => rest('query', { ...fake, prompt: text(i), user_id: 'u8' }, i),
    (i) => rest('chat', { ...fake, prompt: text(i), conversation_id: `c${i}`, user_id: 'u8' }, i),
    (i) => rest('stream', { ...fake, prompt: text(i) }, i),
    (i) => rest('embeddings', { ...fake, model: 'embed', text: text(i) }, i),
    (i) => rest('enhanced-query', { ...fake, prompt: text(i) }, i),
    (i) => rest('contextual-query', { ...fake, prompt: text(i), context: { search_terms: 'x' } }, i),
    (i) => rest('workflow-query', { prompt: text(i), user_id: 'u8' }, i),
    (i) => rest('integrations/doc_store/search', { query: text(i) }, i),
    (i) => rest('integrations/summarizer_hub/get_providers', {}, i),
    (i) => queries.query({ query: { ...fake, prompt: text(i) } }),
    (i) => queries.embedText({ ...fake, model: 'embed', text: text(i) }),
    (i) => queries.workflowQuery({ query: { prompt: text(i) } }),
    async (i) => {
      for await (const _ of streams.streamQuery({ query: { ...fake, prompt: text(i) } }));
    },
    (i) =>
      integrations.callIntegration({
        service: 'code_analyzer',
        operation: 'extract_endpoints',
        argumentsJson: JSON.stringify({ code: text(i) }),
      }),
    // Left in the middle.
    (i) => leaves('v1/chat/completions', { model: endless, stream: true, messages: user(i) }, i),
    (i) => leaves('stream', { model: endless, prompt: text(i) }, i),
    (i) => leaves('v1/messages', { model: endless, max_tokens: 9_999, stream: true, messages: user(i) }, i),
    async (i) => {
      const abort = new AbortController();
      const query = { model: endless, prompt: text(i) };
      try {
        for await (const _ of streams.streamQuery({ query }, { signal: abort.signal })) abort.abort();
      } catch {}
    },
    (i) => {
      const abort = new AbortController();
      const onText = () => abort.abort();
      const options = { stream: true, text: text(i), signal: abort.signal, onText };
      return callFace(rpcFaces[i % rpcFaces.length] as RpcFace, url, endless, options);
    },
    // Refused: without a place to go, and before it is a call.
    (i) =>
      rest(
        'v1/chat/completions',
        { model: 'openai/gpt-4o', messages: [{ role: 'user', content: secret }] },
        i,
      ),
    (i) => rest('query', { provider: 'openai', prompt: secret }, i),
    (i) => rest('query', { prompt: text(i) }, i),
    (i) => rest('v1/chat/completions', { model: 'fake/echo', messages: 'none' }, i),
    (i) => rest('chat', { prompt: 3 }, i),
    (i) => rest('contextual-query', { prompt: text(i), context: { search_terms: 1 } }, i),
    (i) => rest('integrations/nobody/search', { query: text(i) }, i),
    (i) => queries.chat({ query: { provider: 'nobody', prompt: text(i) } }).catch(() => {}),
    (i) => streams.query({ query: { provider: 'openai', prompt: `${secret} ${i}` } }).catch(() => {}),
  ];
  for (let from = 0; from < 1_000; from += 50) {
    const batch = Array.from({ length: 50 }, (_, i) =>
      (kinds[(from + i) % kinds.length] as (i: number) => Promise<unknown>)(from + i),
    );
    for (const answer of await Promise.all(batch)) if (answer instanceof Response) await answer.text();
  }
  const written = async (): Promise<number> => {
    const scraped = parseScrape(await (await fetch(`${url}/metrics`)).text());
    const { samples = [] } = scraped.find(({ name }) => name === 'llm_gateway_audit_lines_total') ?? {};
    return samples.find(({ labels }) => labels['outcome'] === 'written')?.value ?? 0;
  };
  // Streams that were left end a moment later.
  await until(async () => (await written()) >= 1_000);
  await gateway.stop();
  gateway = null;
  platform.close();
  const lines = read();
  expect(lines).toHaveLength(1_000);
  expect(await verifyTrail(file)).toMatchObject({ lines: 1_000, fault: null, from: 1 });
  expect(fullFiles(file).length).toBeGreaterThan(3);
  expect(new Set(lines.map(({ request_id: id }) => id)).size).toBe(1_000);
  const all = JSON.stringify(lines);
  expect(all).not.toContain('penguins');
  expect(all).not.toContain(secret);
  const kindsWritten = lines.map(({ endpoint, kind, status }) => `${endpoint} ${kind ?? '-'} ${status}`);
  expect(new Set(kindsWritten)).toEqual(
    new Set([
      'openai.chat chat success',
      'openai.chat chat cancelled',
      'openai.chat chat no_secure_provider',
      'anthropic.messages chat success',
      'anthropic.messages chat cancelled',
      'anthropic.messages count_tokens success',
      'openai.responses chat success',
      'openai.embeddings embeddings success',
      'rpc chat success',
      'rpc chat cancelled',
      'rpc embeddings success',
      ...['query', 'chat', 'stream', 'enhanced-query', 'contextual-query'].map((at) => `/${at} chat success`),
      '/stream chat cancelled',
      '/query chat no_secure_provider',
      '/embeddings embeddings success',
      '/workflow-query workflow success',
      '/integrations integration success',
      '/integrations integration upstream_unreachable',
      '/integrations integration not_found',
      '/llmgateway.v1.QueryService/Query chat success',
      '/llmgateway.v1.QueryService/Query chat no_secure_provider',
      '/llmgateway.v1.QueryService/EmbedText embeddings success',
      '/llmgateway.v1.QueryService/WorkflowQuery workflow success',
      '/llmgateway.v1.QueryService/StreamQuery chat success',
      '/llmgateway.v1.QueryService/StreamQuery chat cancelled',
      '/llmgateway.v1.IntegrationService/CallIntegration integration success',
      '/query - no_secure_provider',
      '/query - no_provider_available',
      '/v1/chat/completions - invalid_request',
      '/chat - invalid_request',
      '/contextual-query - invalid_request',
      '/llmgateway.v1.QueryService/Chat - invalid_request',
    ]),
  );
  expect(lines.find(({ user }) => user === 'u7')).toMatchObject({
    principal: 'anonymous',
    model_requested: 'fake/echo',
    provider: 'fake',
    model: 'echo',
    status: 'success',
    security_mode: 'route',
    total_tokens: expect.any(Number),
  });
  expect(lines.some(({ cached }) => cached === true)).toBe(true);
  const workflow = lines.find(({ kind, sensitive }) => kind === 'workflow' && sensitive === true);
  expect(workflow).toMatchObject({
    service: 'orchestrator',
    operation: 'execute_workflow',
    sensitivity_score: 0.8,
    latency_ms: expect.any(Number),
  });
  const refused = lines.filter(({ status }) => status === 'no_secure_provider');
  expect(refused.length).toBeGreaterThan(60);
  expect(refused.find(({ endpoint }) => endpoint === 'openai.chat')).toMatchObject({
    provider_requested: 'openai',
    sensitive: true,
    sensitivity_score: 0.8,
    sensitivity_categories: ['authentication'],
  });
  for (const line of refused) {
    expect(line).not.toHaveProperty('provider');
    expect(line['sensitive']).toBe(true);
  }
}, 60_000);

test('what is refused before it is a call has its line, with who asked', async () => {
  const platform = await startPlatform();
  gateway = await startGateway(
    { ...platform.env, AUDIT_LOG_PATH: file, LLM_GATEWAY_SECURITY_MODE: 'block' },
    { authenticate: () => ({ ...anonymous, tenant: 'acme', id: 'key-1' }) },
  );
  const { url } = gateway;
  const paths = ['enhanced-query', 'contextual-query', 'workflow-query'];
  for (const at of paths) expect((await post(`${url}/${at}`, { prompt: secret }, at)).status).toBe(400);
  await post(`${url}/v1/chat/completions`, { model: 'fake/echo', messages: 'none' }, 'rest');
  const queries = createClient(QueryService, rpcTransports.gRPC(url));
  const refused = queries.enhancedQuery({ query: { prompt: secret } });
  await expect(refused).rejects.toThrow('sensitive');
  await gateway.stop();
  gateway = null;
  platform.close();
  const lines = read();
  expect(lines.map(({ endpoint, status }) => [endpoint, status])).toEqual([
    ['/enhanced-query', 'sensitive_text'],
    ['/contextual-query', 'sensitive_text'],
    ['/workflow-query', 'sensitive_text'],
    ['/v1/chat/completions', 'invalid_request'],
    ['/llmgateway.v1.QueryService/EnhancedQuery', 'sensitive_text'],
  ]);
  for (const line of lines) expect(line).toMatchObject({ tenant: 'acme', principal: 'key-1' });
  expect(lines[2]).toMatchObject({ kind: 'workflow', service: 'orchestrator', sensitive: true });
});

test('says who asked for what, and where', async () => {
  const platform = await startPlatform();
  gateway = await startGateway({
    ...platform.env,
    AUDIT_LOG_PATH: file,
    LLM_GATEWAY_QUERY_PROVIDERS: 'ollama,openai',
    LLM_GATEWAY_OPENAI_BASE_URL: 'http://127.0.0.1:9',
    OPENAI_API_KEY: 'k',
  });
  const { url } = gateway;
  const headers = { 'content-type': 'application/json', 'x-correlation-id': 'trip 7' };
  const send = async (at: string, body: object): Promise<void> => {
    await (await fetch(`${url}/${at}`, { method: 'POST', headers, body: JSON.stringify(body) })).text();
  };
  const query = { prompt: said, user_id: 'ann' };
  for (const at of ['query', 'chat/', 'stream', 'enhanced-query', 'contextual-query']) await send(at, query);
  await send('query', { ...query, provider: 'fake' });
  await send('query', { ...query, model: 'fake/echo' });
  await send('embeddings', { text: said, user_id: 'ann' });
  await send('workflow-query', query);
  await send('integrations/doc_store/search', { query: said, user_id: 'ann' });
  await send('integrations/nobody/search', { query: said, user_id: 'ann' });
  await send('v1/chat/completions', {
    model: 'fake/echo',
    user: 'ann',
    messages: [{ role: 'user', content: said }],
  });
  await send('v1/messages', { model: 'fake/echo', max_tokens: 9, messages: 'none' });
  const over = { headers: { 'x-correlation-id': 'trip 7' } };
  const queries = createClient(QueryService, rpcTransports.gRPC(url));
  await queries.query({ query: { ...query, userId: 'ann', provider: 'fake' } }, over);
  await queries.embedText({ text: said, userId: 'ann', provider: 'fake', model: 'embed' }, over);
  const integrations = createClient(IntegrationService, rpcTransports.gRPC(url));
  await integrations.callIntegration(
    { service: 'doc_store', operation: 'search', argumentsJson: '{"query":"x","user_id":"ann"}' },
    over,
  );
  await gateway.stop();
  gateway = null;
  platform.close();
  const lines = read();
  expect(lines.map(({ endpoint, provider_requested: asked }) => [endpoint, asked])).toEqual([
    ['/query', 'auto'],
    ['/chat', 'auto'],
    ['/stream', 'auto'],
    ['/enhanced-query', 'auto'],
    ['/contextual-query', 'auto'],
    ['/query', 'fake'],
    ['/query', 'fake'],
    ['/embeddings', 'auto'],
    ['/workflow-query', undefined],
    ['/integrations', undefined],
    ['/integrations', undefined],
    ['openai.chat', 'fake'],
    ['/v1/messages', undefined],
    ['/llmgateway.v1.QueryService/Query', 'fake'],
    ['/llmgateway.v1.QueryService/EmbedText', 'fake'],
    ['/llmgateway.v1.IntegrationService/CallIntegration', undefined],
  ]);
  for (const line of lines) {
    expect(line['correlation_id']).toBe('trip 7');
    if (line['endpoint'] !== '/v1/messages')
      expect([line['endpoint'], line['user']]).toEqual([line['endpoint'], 'ann']);
  }
  expect(
    lines
      .filter(({ provider_requested: asked }) => asked === 'auto')
      .every((line) => !('model_requested' in line)),
  ).toBe(true);
  expect(lines[5]).not.toHaveProperty('model_requested');
  expect(lines[6]).toMatchObject({ model_requested: 'fake/echo', provider: 'fake' });
});

test('has no secret that a client puts where a name belongs, and neither has the collector', async () => {
  const platform = await startPlatform();
  const collector = await startUpstream();
  let got = '';
  collector.answerAll(({ body, socket }) => {
    got += body;
    socket.write(answered(''));
  });
  const all = { ...platform.env, AUDIT_LOG_PATH: file, LOG_COLLECTOR_URL: collector.origin };
  gateway = await startGateway({ ...all, OPENAI_API_KEY: 'k', LLM_GATEWAY_SECURITY_MODE: 'off' });
  const { url } = gateway;
  const messages = [{ role: 'user', content: 'x' }];
  const send = async (at: string, body: unknown, headers: Record<string, string> = {}): Promise<void> => {
    const given = { method: 'POST', headers: { 'content-type': 'application/json', ...headers } };
    await (await fetch(`${url}/${at}`, { ...given, body: JSON.stringify(body) })).text();
  };
  await send('v1/chat/completions', { model: 'fake/echo', user: secret, messages });
  await send('v1/chat/completions', { model: `openai/${secret}`, messages });
  await send('v1/chat/completions', { model: 'fake/echo', messages }, { 'x-session-id': secret });
  await send('v1/chat/completions', { model: 'fake/echo', messages }, { 'x-request-id': secret });
  await send('v1/chat/completions', { model: 'fake/echo', messages }, { 'x-correlation-id': secret });
  await send(`integrations/doc_store/${secret}`, {});
  await send(`integrations/${secret}/search`, {});
  await send(`integrations/doc_store/search/${secret}`, {});
  await send('query', { prompt: 'x', user_id: secret, provider: secret, conversation_id: secret });
  await send('query', { prompt: 'x', user_id: secret, provider: 'fake' });
  await send('v1/embeddings', { model: `fake/${secret}`, input: 'x' });
  await send('v1/tools/execute', { name: secret });
  await send(`integrations/${secret}`, {});
  await gateway.stop();
  gateway = null;
  platform.close();
  collector.close();
  const lines = read();
  expect(lines.length).toBeGreaterThanOrEqual(13);
  for (const line of lines) expect(JSON.stringify(line)).not.toContain(secret.slice(8));
  expect(got.match(/"seq":/g)).toHaveLength(lines.length);
  expect(got).not.toContain(secret.slice(8));
  expect(lines[0]).toMatchObject({ user: '[redacted]', model_requested: 'fake/echo' });
  expect(await verifyTrail(file)).toMatchObject({ fault: null });
});

test('a tool that a client runs has a line, by each way', async () => {
  gateway = await startGateway({ AUDIT_LOG_PATH: file });
  const { url } = gateway;
  const mcp = (params: object) =>
    fetch(`${url}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    });
  const sum = { a: 1, b: 2 };
  await (await post(`${url}/v1/tools/execute`, { name: 'calculator', arguments: sum }, 'a')).text();
  await (await post(`${url}/v1/tools/execute`, { name: 'calculator', arguments: { x: said } }, 'b')).text();
  await (await post(`${url}/v1/tools/execute`, { name: 'nobody' }, 'c')).text();
  await (await post(`${url}/v1/tools/execute`, { nam: 1 }, 'd')).text();
  await (await mcp({ name: 'calculator', arguments: sum })).text();
  await (await mcp({ name: 'calculator', arguments: { x: said } })).text();
  await (await mcp({ name: 'nobody', arguments: {} })).text();
  await (await fetch(`${url}/mcp`, { method: 'POST', body: '{' })).text();
  const tools = createClient(ToolService, rpcTransports.gRPC(url));
  await tools.executeTool({ name: 'calculator', argumentsJson: JSON.stringify(sum) });
  await gateway.stop();
  gateway = null;
  const lines = read();
  expect(lines.map(({ endpoint, kind, operation, status }) => [endpoint, kind, operation, status])).toEqual([
    ['tools', 'tool', 'calculator', 'success'],
    ['tools', 'tool', 'calculator', 'tool_arguments_invalid'],
    ['tools', 'tool', 'nobody', 'not_found'],
    ['/v1/tools/execute', undefined, undefined, 'invalid_request'],
    ['mcp', 'tool', 'calculator', 'success'],
    ['mcp', 'tool', 'calculator', 'tool_failed'],
    ['mcp', 'tool', 'nobody', 'not_found'],
    ['/mcp', undefined, undefined, 'invalid_request'],
    ['rpc', 'tool', 'calculator', 'success'],
  ]);
  expect(JSON.stringify(lines)).not.toContain('penguins');
});

test('RPCs whose bodies cannot be read have a line, and others have no second one', async () => {
  gateway = await startGateway(
    { AUDIT_LOG_PATH: file },
    { authenticate: () => ({ ...anonymous, tenant: 'acme', id: 'key-1' }) },
  );
  const { url } = gateway;
  const send = async (at: string, type: string, body: string | Buffer): Promise<void> => {
    const headers = {
      'content-type': type,
      'x-request-id': at,
      te: 'trailers',
      'connect-protocol-version': '1',
    };
    const given = { method: 'POST', headers, body: body as string };
    await (await fetch(`${url}/llmgateway.v1.${at}`, given)).arrayBuffer().catch(() => {});
  };
  await send('ChatService/CreateChatCompletion', 'application/json', '{');
  await send(
    'ChatService/StreamChatCompletion',
    'application/connect+json',
    Buffer.from([0, 0, 0, 0, 1, 0x7b]),
  );
  await send('QueryService/Query', 'application/json', '{"nonsense":1}');
  await send(
    'EmbeddingsService/CreateEmbeddings',
    'application/grpc-web+proto',
    Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]),
  );
  await send('ToolService/ExecuteTool', 'application/proto', Buffer.from([0xff]));
  // Those have none, or one.
  await send('ModelsService/ListModels', 'application/json', '{}');
  await send('ToolService/ListTools', 'application/json', '{');
  await send('ChatService/CreateChatCompletion', 'application/json', '{}');
  await send('QueryService/Query', 'application/json', `{"query":{"prompt":"x","provider":"fake"}}`);
  await gateway.stop();
  gateway = null;
  const lines = read();
  const service = '/llmgateway.v1.';
  expect(lines.map(({ endpoint, status }) => [endpoint, status])).toEqual([
    [`${service}ChatService/CreateChatCompletion`, 'invalid_request'],
    [`${service}ChatService/StreamChatCompletion`, 'invalid_request'],
    [`${service}QueryService/Query`, 'invalid_request'],
    [`${service}EmbeddingsService/CreateEmbeddings`, 'invalid_request'],
    [`${service}ToolService/ExecuteTool`, 'invalid_request'],
    [`${service}ChatService/CreateChatCompletion`, 'invalid_request'],
    [`${service}QueryService/Query`, 'success'],
  ]);
  for (const line of lines) expect(line).toMatchObject({ tenant: 'acme', principal: 'key-1' });
  expect(lines[0]).toMatchObject({ request_id: 'ChatService/CreateChatCompletion' });
});

test.skipIf(!hasRedis)('what fails because the store is away has a line, and one only', async () => {
  const redis = await startRedis();
  gateway = await startGateway({
    AUDIT_LOG_PATH: file,
    LLM_GATEWAY_REDIS_URL: redis.url,
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: 'http://127.0.0.1:9',
    LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '1',
  });
  const { url } = gateway;
  const statusOf = async (body: object, id: string): Promise<number> => {
    const response = await post(`${url}/v1/responses`, body, id);
    await response.text();
    return response.status;
  };
  await until(async () => (await fetch(`${url}/v1/sessions`)).ok);
  expect(await statusOf({ model: 'fake/echo', input: 'x' }, 'well')).toBe(200);
  expect(await statusOf({ model: 'openai/gpt-4o', input: 'x' }, 'failed')).toBe(502);
  await redis.stop();
  expect(await statusOf({ model: 'fake/echo', input: 'x' }, 'away')).toBe(503);
  await gateway.stop();
  gateway = null;
  expect(read().map(({ request_id: id, status }) => [id, status])).toEqual([
    ['well', 'success'],
    ['failed', 'upstream_unreachable'],
    ['away', 'dependency_unavailable'],
  ]);
});

test('a response has one line, whatever it is refused with and whatever comes after its answer', async () => {
  gateway = await startGateway({
    AUDIT_LOG_PATH: file,
    GOOGLE_API_KEY: 'k',
    LLM_GATEWAY_RATE_LIMITS: 'on',
    LLM_GATEWAY_RESPONSE_MAX_BYTES: '64KiB',
    LLM_GATEWAY_SECURITY_MODE: 'report',
  });
  const { url } = gateway;
  const ask = async (body: object, id: string): Promise<Response> => {
    const response = await post(`${url}/v1/responses`, body, id);
    await response.text();
    return response;
  };
  const picture = { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=' };
  const system = {
    model: 'gemini/gemini-2.5-flash',
    input: [
      { role: 'system', content: [picture] },
      { role: 'user', content: 'x' },
    ],
  };
  const format = { model: 'ollama/m', input: 'x', text: { format: { type: 'grammar', grammar: 'x' } } };
  for (const body of [system, format]) {
    const refused = await ask(body, 'refused');
    expect(refused.status).toBe(400);
    expect(refused.headers.get('x-sensitivity')).toBe('0.00;mode=report');
    expect(refused.headers.get('x-ratelimit-limit-requests')).not.toBeNull();
  }
  const large = (bytes: number, more: object = {}) => ({
    model: 'fake/echo',
    input: 'x'.repeat(bytes),
    ...more,
  });
  expect((await ask(large(45_000), 'whole')).status).toBe(413);
  expect((await ask(large(70_000, { stream: true }), 'streamed')).status).toBe(413);
  // Neither is a call.
  expect((await fetch(`${url}/v1/responses/resp_x`)).status).toBe(404);
  const responses = createClient(ResponsesService, rpcTransports.gRPC(url));
  await expect(responses.getConversation({ id: 'conv_x' })).rejects.toThrow('not found');
  await gateway.stop();
  const refusals = gateway.log.filter(({ module }) => module === 'refusals');
  gateway = null;
  expect(read().map(({ request_id: id, kind, status }) => [id, kind, status])).toEqual([
    ['refused', 'chat', 'invalid_request'],
    ['refused', 'chat', 'unsupported_parameter'],
    ['whole', 'chat', 'success'],
    ['streamed', 'chat', 'cancelled'],
  ]);
  // The log tells of it all the same.
  expect(refusals.map(({ request_id: id, status }) => [id, status])).toEqual(
    expect.arrayContaining([
      ['whole', 'request_too_large'],
      ['streamed', 'request_too_large'],
    ]),
  );
});

test('the command verifies it, and names a line that was changed, removed or moved', async () => {
  gateway = await startGateway({ AUDIT_LOG_PATH: file });
  for (let i = 0; i < 9; i++)
    await (await post(`${gateway.url}/query`, { provider: 'fake', prompt: said }, `v${i}`)).text();
  await gateway.stop();
  gateway = null;
  const script = path.join(import.meta.dirname, '../../scripts/audit-verify.ts');
  const verify = () => spawnSync(process.execPath, [script, file], { encoding: 'utf8' });
  const whole = verify();
  expect([whole.status, whole.stdout]).toEqual([0, expect.stringContaining('9 lines in 1 files are whole')]);
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  const changes: Record<string, string[]> = {
    changed: lines.with(4, (lines[4] as string).replace('"success"', '"cancelled"')),
    removed: lines.toSpliced(4, 1),
    moved: lines.with(4, lines[5] as string).with(5, lines[4] as string),
  };
  for (const [what, changed] of Object.entries(changes)) {
    fs.writeFileSync(file, `${changed.join('\n')}\n`);
    const found = verify();
    expect([what, found.status, found.stdout]).toEqual([
      what,
      1,
      expect.stringContaining(`${file}:5: this line`),
    ]);
  }
});

test('goes on after a restart, and goes to the collector as well', async () => {
  const collector = await startUpstream();
  const ids: unknown[] = [];
  collector.answerAll(({ body, socket }) => {
    const { context } = JSON.parse(body) as { context: { events: Line[] } };
    ids.push(...context.events.map(({ request_id: id }) => id));
    socket.write(answered(''));
  });
  for (let run = 0; run < 3; run++) {
    gateway = await startGateway({ AUDIT_LOG_PATH: file, LOG_COLLECTOR_URL: collector.origin });
    for (let i = 0; i < 4; i++) {
      await (
        await post(
          `${gateway.url}/v1/chat/completions`,
          { model: 'fake/echo', messages: [{ role: 'user', content: 'x' }] },
          `r${run}-${i}`,
        )
      ).text();
    }
    await gateway.stop();
    gateway = null;
  }
  collector.close();
  expect(await verifyTrail(file)).toMatchObject({ lines: 12, fault: null, from: 1 });
  expect(ids).toEqual(read().map(({ request_id: id }) => id));
});

test.skipIf(!fs.existsSync('/dev/full'))('a full disk fails no call; it is logged and counted', async () => {
  gateway = await startGateway({ AUDIT_LOG_PATH: '/dev/full', LLM_GATEWAY_AUDIT_MAX_HELD_BYTES: '1KiB' });
  const { url, log } = gateway;
  for (let i = 0; i < 20; i++) {
    const answer = await post(
      `${url}/v1/chat/completions`,
      { model: 'fake/echo', messages: [{ role: 'user', content: 'x' }] },
      `r${i}`,
    );
    expect(answer.status).toBe(200);
    await answer.text();
  }
  const families = parseScrape(await (await fetch(`${url}/metrics`)).text());
  const counted = (name: string, outcome?: string): number =>
    families
      .find((family) => family.name === name)
      ?.samples.find(({ labels }) => outcome === undefined || labels['outcome'] === outcome)?.value ?? 0;
  expect(counted('llm_gateway_audit_write_failures_total')).toBeGreaterThanOrEqual(1);
  expect(counted('llm_gateway_audit_lines_total', 'lost')).toBeGreaterThan(5);
  const told = log.filter(({ module, level }) => module === 'audit' && level === 'ERROR');
  expect(told).toHaveLength(1);
  expect(JSON.stringify(told)).toContain('ENOSPC');
});

test('a file that cannot be gone on with stops the start', async () => {
  fs.writeFileSync(file, 'something else\n');
  await expect(startGateway({ AUDIT_LOG_PATH: file })).rejects.toThrow(
    /AUDIT_LOG_PATH or audit\.path: .*audit\.jsonl/,
  );
});
