import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EmbeddingsService } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { IntegrationService } from '../../gen/llmgateway/v1/integration_service_pb.js';
import { QueryService } from '../../gen/llmgateway/v1/query_service_pb.js';
import { fullFiles } from '../../src/audit/files.ts';
import { verifyTrail } from '../../src/audit/verify.ts';
import { anonymous } from '../../src/auth/principal.ts';
import { answered, startUpstream } from '../http/support/upstream.ts';
import { callFace } from '../support/faces.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { startPlatform } from '../support/platform.ts';
import { parseScrape } from '../support/prometheus.ts';
import { until } from '../support/redis.ts';

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
      'rpc chat no_secure_provider',
      'rpc embeddings success',
      'rpc workflow success',
      'rpc integration success',
      'query chat success',
      'query chat cancelled',
      'query chat no_secure_provider',
      'query embeddings success',
      'query workflow success',
      'query integration success',
      'query integration upstream_unreachable',
      'query integration not_found',
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
    ['query', 'sensitive_text'],
    ['/v1/chat/completions', 'invalid_request'],
    ['/llmgateway.v1.QueryService/EnhancedQuery', 'sensitive_text'],
  ]);
  for (const line of lines) expect(line).toMatchObject({ tenant: 'acme', principal: 'key-1' });
  expect(lines[2]).toMatchObject({ kind: 'workflow', service: 'orchestrator', sensitive: true });
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
