import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { askOn } from '../support/context.ts';
import { faces, isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type Answer, type JsonServer, send, startJsonServer } from '../support/json-server.ts';
import { sessionsAt } from '../support/sessions.ts';

const processPath = '/v1/context/process';
const textOf = (tokens: number): string => 'x'.repeat((tokens - 4) * 4);

let folder: string;
let cms: JsonServer;
let upstream: JsonServer;
let gateway: RunningGateway;
beforeAll(async () => {
  cms = await startJsonServer();
  upstream = await startJsonServer({
    '/v1/chat/completions': () => ({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: 'done' }, finish_reason: 'stop' }],
    }),
  });
  folder = mkdtempSync(path.join(tmpdir(), 'context-'));
  const file = path.join(folder, 'gateway.yaml');
  const models = ['{ id: fake/echo, provider: fake, ', '{ id: openai/m, provider: openai, '];
  writeFileSync(file, `models:\n${models.map((one) => `  - ${one}context_window: 1000 }\n`).join('')}`);
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_CMS_URL: cms.origin,
    LLM_GATEWAY_CMS_TIMEOUT_SECONDS: '0.5',
    LLM_GATEWAY_CMS_PROCESS_ENABLED: 'true',
    // Each test has failures of its own.
    LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD: '100',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
  });
});
afterAll(async () => {
  await gateway.stop();
  cms.close();
  upstream.close();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  cms.routes['/health'] = () => ({});
  cms.routes[processPath] = () => ({ optimized_text: 'short', optimized_tokens: 1 });
  cms.got.length = 0;
  upstream.got.length = 0;
});
const processed = () => cms.got.filter(({ path }) => path === processPath).map(({ body }) => body);
const chat = (body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const sent = () => upstream.got.at(-1)?.body?.['messages'];

describe.each(faces)('a long prompt on %s', (face) => {
  test.each([false, true])('is shortened by its tier; streamed: %s', async (stream) => {
    const { url } = gateway;
    cms.routes[processPath] = () => ({
      optimized_text: 'short',
      final_tokens: 1,
      chunks: [{ content: 'first' }, { content: 'last' }],
    });
    const said: string[] = [];
    for (const tokens of [100, 300, 600, 800]) {
      const { text, told, warnings, failure } = await askOn(face, url, { text: textOf(tokens), stream });
      expect(failure).toBe('');
      expect(told.count).toBe(String(tokens));
      said.push(`${text.slice(0, 5)} ${warnings}`.trim());
    }
    // On SSE the head is out before the report is whole, but not before this.
    expect(said).toEqual(['xxxxx', 'xxxxx', 'short cms_optimized', 'last cms_planned']);
    expect(processed()).toEqual([600, 800].map((tokens) => ({ text: textOf(tokens), model: 'fake/echo' })));
  });

  test('is shortened when that is wanted, whatever its tier; not when it is not', async () => {
    const { url } = gateway;
    const ask = async (mode: string, tokens: number) =>
      (await askOn(face, url, { text: textOf(tokens), mode })).text.slice(0, 5);
    expect(await ask('optimize', 10)).toBe('short');
    expect(await ask('plan', 10)).toBe('short');
    expect(await ask('validate', 900)).toBe('xxxxx');
    expect(await ask('none', 900)).toBe('xxxxx');
    expect(processed().length).toBe(2);
  });
});

const failures: readonly (readonly [string, Answer])[] = [
  ['fails', (_got, response) => void send(response, 500, { detail: 'secret' })],
  ['refuses', (_got, response) => void send(response, 422, { detail: 'secret' })],
  ['takes too long', () => null],
  ['breaks off', (_got, response) => void response.socket?.destroy()],
  ['answers no JSON', (_got, response) => void send(response, 200, '<html>secret</html>')],
  ['answers another thing', () => ({ secret: 1 })],
  ['answers an empty text', () => ({ optimized_text: '' })],
  ['answers pieces that are none', () => ({ optimized_text: 'x', chunks: [7] })],
];

describe.each(failures)('a service that %s', (_what, answer) => {
  test.each(faces)('fails long prompts that need it, and no others, on %s', async (face) => {
    cms.routes[processPath] = answer;
    const long = await askOn(face, gateway.url, { text: textOf(600), stream: true });
    const status = isRest(face) ? /^503/ : /^Unavailable DEPENDENCY_UNAVAILABLE/;
    expect(long.failure).toMatch(status);
    expect(long.message).toMatch(/^CMS unavailable: .*tier 3/);
    expect(long.message).not.toMatch(/secret|127\.0\.0\.1/);
    const short = await askOn(face, gateway.url, { text: textOf(300), mode: 'optimize' });
    expect([short.failure, short.text, short.warnings]).toEqual(['', textOf(300), 'cms_failed']);
  });
});

describe('what is shortened', () => {
  test('is all but the messages of the system, which stay; a session keeps what the client said', async () => {
    const { id } = await sessionsAt(gateway.url).make();
    const messages = [
      { role: 'system', content: 'Be brief.', name: 'boss' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: [{ type: 'text', text: 'three' }] },
    ];
    const first = await chat({ model: 'openai/m', session_id: id, messages }, { 'x-cms-mode': 'optimize' });
    expect(first.status).toBe(200);
    const system = messages[0];
    expect(sent()).toEqual([system, { role: 'user', content: 'short' }]);
    await chat({ model: 'openai/m', session_id: id, messages: [{ role: 'user', content: 'four' }] });
    expect(sent()).toEqual([
      ...messages,
      { role: 'assistant', content: 'done' },
      { role: 'user', content: 'four' },
    ]);
    expect(processed()).toEqual([{ text: 'one\n\ntwo\n\nthree', model: 'openai/m', conversation_id: id }]);
  });

  test.each([
    [
      'a picture',
      [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }] }],
    ],
    [
      'calls of tools',
      [
        { role: 'user', content: 'go' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'x' },
      ],
    ],
  ])('is no prompt with %s', async (_what, messages) => {
    for (const mode of ['optimize', 'plan']) {
      const response = await chat({ model: 'openai/m', messages }, { 'x-cms-mode': mode });
      expect([response.status, response.headers.get('x-warnings')]).toEqual([200, 'cms_not_processed']);
      expect(sent()).toEqual(messages);
    }
    expect(processed()).toEqual([]);
  });

  test.each([
    ['gives no text', { optimized_text: null, final_tokens: 600 }],
    ['takes it back', { optimized_text: 'short', rolled_back: true }],
  ])('is nothing when the service %s', async (_what, answer) => {
    cms.routes[processPath] = () => answer;
    const { text, warnings } = await askOn('gRPC', gateway.url, { text: textOf(600) });
    expect([text, warnings]).toEqual([textOf(600), 'cms_not_processed']);
  });

  test('is nothing where there is no text', async () => {
    const messages = [{ role: 'system', content: textOf(600) }];
    const response = await chat({ model: 'openai/m', messages });
    expect([response.status, response.headers.get('x-warnings')]).toEqual([200, null]);
    expect(processed()).toEqual([]);
  });
});

test('a shorter text that is sensitive goes to no provider that may not have it, in a call without tools', async () => {
  const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';
  const guarded = await startGateway({
    LLM_GATEWAY_CONFIG: path.join(folder, 'gateway.yaml'),
    LLM_GATEWAY_CMS_URL: cms.origin,
    LLM_GATEWAY_CMS_PROCESS_ENABLED: 'true',
    LLM_GATEWAY_SECURITY_MODE: 'route',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
  });
  try {
    const ask = (): Promise<Response> =>
      fetch(`${guarded.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'openai/m', messages: [{ role: 'user', content: textOf(800) }] }),
      });
    expect((await ask()).status).toBe(200);
    expect(JSON.stringify(sent())).toContain('short');
    upstream.got.length = 0;
    cms.routes[processPath] = () => ({ optimized_text: `It is ${secret}`, optimized_tokens: 1 });
    const refused = await ask();
    expect([refused.status, refused.headers.get('x-sensitivity')]).toEqual([
      503,
      expect.stringMatching(/^0\.80;sensitive;mode=route/),
    ]);
    expect(upstream.got).toEqual([]);
  } finally {
    await guarded.stop();
  }
});
