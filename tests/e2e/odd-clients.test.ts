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
