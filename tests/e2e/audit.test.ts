import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EmbeddingsService } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { fullFiles } from '../../src/audit/files.ts';
import { verifyTrail } from '../../src/audit/verify.ts';
import { answered, startUpstream } from '../http/support/upstream.ts';
import { callFace } from '../support/faces.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { parseScrape } from '../support/prometheus.ts';

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
const said = 'a private remark about penguins';

test('a thousand calls on all faces have a line each, and verify', async () => {
  gateway = await startGateway({
    AUDIT_LOG_PATH: file,
    LLM_GATEWAY_AUDIT_MAX_FILE_BYTES: '64KiB',
    LLM_GATEWAY_SECURITY_MODE: 'route',
    OPENAI_API_KEY: 'k',
  });
  const { url } = gateway;
  const text = (i: number): string => (i % 10 === 0 ? `${said} ${secret}` : said);
  const user = (i: number) => [{ role: 'user', content: text(i) }];
  const vectors = createClient(EmbeddingsService, rpcTransports.gRPC(url));
  const kinds: ((i: number) => Promise<unknown>)[] = [
    (i) => post(`${url}/v1/chat/completions`, { model: 'fake/echo', user: 'u7', messages: user(i) }, `n${i}`),
    (i) =>
      post(`${url}/v1/chat/completions`, { model: 'fake/echo', stream: true, messages: user(i) }, `n${i}`),
    (i) => post(`${url}/v1/messages`, { model: 'fake/echo', max_tokens: 9, messages: user(i) }, `n${i}`),
    (i) => post(`${url}/v1/messages/count_tokens`, { model: 'fake/echo', messages: user(i) }, `n${i}`),
    (i) => post(`${url}/v1/responses`, { model: 'fake/echo', input: text(i) }, `n${i}`),
    (i) => post(`${url}/v1/responses`, { model: 'fake/echo', stream: true, input: text(i) }, `n${i}`),
    (i) => post(`${url}/v1/embeddings`, { model: 'fake/embed', input: text(i) }, `n${i}`),
    (i) =>
      callFace(i % 2 === 0 ? 'gRPC' : 'Connect over HTTP/2', url, 'fake/echo', {
        stream: i % 3 === 0,
        text: text(i),
      }),
    (i) =>
      vectors.createEmbeddings({
        model: 'fake/embed',
        inputs: [{ content: { case: 'text', value: text(i) } }],
      }),
    // Refused: without a place to go, and before it is a call.
    (i) =>
      post(
        `${url}/v1/chat/completions`,
        { model: 'openai/gpt-4o', messages: [{ role: 'user', content: secret }] },
        `n${i}`,
      ),
    (i) => post(`${url}/v1/chat/completions`, { model: 'fake/echo', messages: 'none' }, `n${i}`),
  ];
  for (let from = 0; from < 1_000; from += 50) {
    const batch = Array.from({ length: 50 }, (_, i) =>
      (kinds[(from + i) % kinds.length] as (i: number) => Promise<unknown>)(from + i),
    );
    for (const answer of await Promise.all(batch)) if (answer instanceof Response) await answer.text();
  }
  const scraped = parseScrape(await (await fetch(`${url}/metrics`)).text());
  const written = scraped.find(({ name }) => name === 'llm_gateway_audit_lines_total');
  expect(written?.samples.every(({ labels }) => labels['outcome'] === 'written')).toBe(true);
  await gateway.stop();
  gateway = null;
  const lines = read();
  expect(lines).toHaveLength(1_000);
  expect(await verifyTrail(file)).toMatchObject({ lines: 1_000, fault: null, from: 1 });
  expect(fullFiles(file).length).toBeGreaterThan(3);
  expect(new Set(lines.map(({ request_id: id }) => id)).size).toBe(1_000);
  const all = JSON.stringify(lines);
  expect(all).not.toContain('penguins');
  expect(all).not.toContain(secret);
  expect(new Set(lines.map(({ endpoint, kind }) => `${endpoint} ${kind}`))).toEqual(
    new Set([
      'openai.chat chat',
      'anthropic.messages chat',
      'anthropic.messages count_tokens',
      'openai.responses chat',
      'openai.embeddings embeddings',
      'rpc chat',
      'rpc embeddings',
      '/v1/chat/completions undefined',
    ]),
  );
  expect(lines.find(({ user }) => user === 'u7')).toMatchObject({
    principal: 'anonymous',
    model_requested: 'fake/echo',
    provider: 'fake',
    model: 'echo',
    cached: false,
    status: 'success',
    security_mode: 'route',
    total_tokens: expect.any(Number),
  });
  const refused = lines.filter(({ status }) => status === 'no_secure_provider');
  expect(refused.length).toBeGreaterThan(80);
  expect(refused[0]).toMatchObject({
    provider_requested: 'openai',
    sensitive: true,
    sensitivity_score: 0.8,
    sensitivity_categories: ['authentication'],
  });
  expect(refused[0]).not.toHaveProperty('provider');
  expect(lines.filter(({ status }) => status === 'invalid_request').length).toBeGreaterThan(80);
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
