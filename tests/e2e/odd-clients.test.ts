import { createClient } from '@connectrpc/connect';
import { compressionGzip, createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { RawClient } from '../server/support/harness.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

// What is unusual and right.

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let asked: Record<string, unknown>;
let contentType = 'application/json';
const completion = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
};

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    if (body !== '') asked = JSON.parse(body);
    const text = JSON.stringify(completion);
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: ${contentType}\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
  });
  gateway = await startGateway({
    DEEPSEEK_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: upstream.origin,
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

const post = (body: object) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], ...body }),
  });
const model = 'deepseek/deepseek-chat';
const request = {
  model: 'fake/echo',
  messages: [
    { role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'x'.repeat(5_000) } } }] },
  ],
};

test.each([
  'application/json',
  'Application/JSON; charset=utf-8',
  'application/vnd.x+json',
  'text/plain',
  'text/event-stream',
])('a whole answer to a call that streams is streamed, whatever it is called: %s', async (type) => {
  contentType = type;
  try {
    const text = await (await post({ model, stream: true })).text();
    expect(text).toContain('"content":"Hello"');
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  } finally {
    contentType = 'application/json';
  }
});

describe('what a provider cannot take', () => {
  test('is left out without a word where it asks for nothing', async () => {
    const response = await post({ model, store: false, n: 1, parallel_tool_calls: false, logprobs: false });
    expect(response.status).toBe(200);
    expect(asked).not.toHaveProperty('store');
    expect(asked).not.toHaveProperty('n');
    expect(response.headers.get('x-dropped-params')).toBe('parallel_tool_calls');
  });

  test('of a history is told in a header', async () => {
    const part = { type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } };
    const response = await post({ model, messages: [{ role: 'user', content: [part] }] });
    expect(response.headers.get('x-warnings')).toBe('dropped_cache_breakpoint');
  });
});

describe('clients', () => {
  test.each([
    ['Connect', createConnectTransport],
    ['gRPC', createGrpcTransport],
  ] as const)('of %s may compress what they send', async (_name, create) => {
    const transport = create({
      baseUrl: gateway.url,
      httpVersion: '2',
      sendCompression: compressionGzip,
      compressMinBytes: 0,
    });
    const { choices } = await createClient(ChatService, transport).createChatCompletion(request);
    expect(choices[0]?.message?.parts[0]?.content.value).toMatchObject({ text: 'x'.repeat(5_000) });
  });

  test('may set deadlines beyond what a timer holds', async () => {
    const response = await fetch(`${gateway.url}/llmgateway.v1.ChatService/CreateChatCompletion`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'connect-timeout-ms': '9999999999' },
      body: JSON.stringify({
        model: 'fake/echo',
        messages: [{ role: 'ROLE_USER', parts: [{ text: { text: 'Hi' } }] }],
      }),
    });
    expect(response.status).toBe(200);
  });

  test('may ask for whole addresses, as from a proxy', async () => {
    const client = new RawClient(gateway.port);
    await client.write('GET http://gateway.example/health/live HTTP/1.1\r\nhost: gateway.example\r\n\r\n');
    await client.until(/^HTTP\/1\.1 200 [\s\S]*\}$/);
  });
});

describe('pages of other origins', () => {
  test('may not call where none are allowed, not even in ways that need no leave', async () => {
    const strict = await startGateway({ LLM_GATEWAY_ENVIRONMENT: 'production' });
    try {
      const call = (origin: string) =>
        fetch(`${strict.url}/v1/chat/completions`, {
          method: 'POST',
          headers: { origin, 'content-type': 'text/plain' },
          body: JSON.stringify({ model: 'fake/echo', messages: [{ role: 'user', content: 'Hi' }] }),
        });
      const refused = await call('https://evil.example');
      expect(refused.status).toBe(403);
      expect(await refused.json()).toMatchObject({ error: { code: 'permission_denied' } });
      expect((await call(strict.url)).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });
});

test('headers tell what was dropped even when the answer is slow to begin', async () => {
  const slow = await startGateway({
    LLM_GATEWAY_SSE_KEEP_ALIVE_SECONDS: '20ms',
    DEEPSEEK_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: upstream.origin,
  });
  const answering = upstream;
  let answer = () => {};
  answering.answerAll(({ socket }) => {
    answer = () => void socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n');
  });
  try {
    const response = await fetch(`${slow.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, stream: true, seed: 3, messages: [{ role: 'user', content: 'Hi' }] }),
    });
    expect(response.headers.get('x-dropped-params')).toBe('seed');
    answer();
    expect(await response.text()).toContain('"error"');
  } finally {
    await slow.stop();
  }
});

test('what is refused before it is a call has a line in the log', async () => {
  const lines = gateway.log.length;
  const response = await post({ model: 'fake/echo', temperature: 'hot' });
  expect(response.status).toBe(400);
  const line = gateway.log.slice(lines).find(({ message }) => message === 'refused');
  expect(line).toMatchObject({
    request_id: response.headers.get('x-request-id'),
    path: '/v1/chat/completions',
    status: 'invalid_request',
  });
});

test("a client's deadline does not lengthen the gateway's own limit", async () => {
  const short = await startGateway({ LLM_GATEWAY_UPSTREAM_TOTAL_TIMEOUT_SECONDS: '100ms' });
  try {
    const response = await fetch(`${short.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'x-request-timeout-ms': '60000' },
      body: JSON.stringify({
        model: 'fake/echo?first_ms=30000',
        messages: [{ role: 'user', content: 'Hi' }],
      }),
    });
    expect(response.status).toBe(504);
  } finally {
    await short.stop();
  }
});

test("a provider's words are told without the gateway's key, and not logged", async () => {
  const key = '9f8e7d6c5b4a39281706f5e4d3c2b1a0';
  const quoting = await startUpstream();
  quoting.answerAll(({ socket }) => {
    const text = JSON.stringify({ error: { message: `${key} may not say PRIVATE PROMPT`, code: key } });
    socket.write(
      `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
  });
  const strict = await startGateway({
    DEEPSEEK_API_KEY: key,
    LLM_GATEWAY_DEEPSEEK_BASE_URL: quoting.origin,
  });
  try {
    const response = await fetch(`${strict.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] }),
    });
    const told = await response.text();
    expect(told).toContain('PRIVATE PROMPT');
    expect(told).not.toContain(key);
    expect(JSON.stringify(strict.log)).not.toMatch(new RegExp(`${key}|PRIVATE PROMPT`));
  } finally {
    await strict.stop();
    quoting.close();
  }
});
