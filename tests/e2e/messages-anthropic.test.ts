import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answered, type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { anthropicClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { sumOfStream, withoutNulls } from '../support/messages-json.ts';
import { recordedMessages } from '../support/messages-recordings.ts';

// Anthropic's clients with Anthropic itself behind the gateway: nothing may be different for them.

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway({
    ANTHROPIC_API_KEY: 'the-key-of-the-gateway',
    LLM_GATEWAY_ANTHROPIC_BASE_URL: upstream.origin,
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

const exchanges = recordedMessages().filter(
  ({ provider, request, status }) => provider === 'anthropic' && request !== null && status === 200,
);

describe.skipIf(exchanges.length === 0)('a recorded exchange passes unchanged both ways', () => {
  test.each(exchanges.map((exchange) => [exchange.title, exchange] as const))(
    '%s',
    async (_title, exchange) => {
      const recorded = exchange.request ?? {};
      const pending = fetch(`${gateway.url}/v1/messages?beta=true`, {
        method: 'POST',
        headers: { 'x-api-key': 'of the client', 'anthropic-version': '2023-06-01' },
        body: JSON.stringify({ ...recorded, model: `anthropic/${recorded['model']}` }),
      });
      const { body, socket, head } = await upstream.request();
      expect(head).toMatch(/^POST \/v1\/messages HTTP/);
      expect(withoutNulls(JSON.parse(body))).toEqual(withoutNulls(recorded));
      const frames = (exchange.frames ?? []).map(
        (data) => `event: ${JSON.parse(data).type}\ndata: ${data}\n\n`,
      );
      const text = exchange.answer === null ? frames.join('') : JSON.stringify(exchange.answer);
      const type = exchange.answer === null ? 'text/event-stream' : 'application/json';
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
      const told = await (await pending).text();
      if (exchange.answer !== null) {
        expect(withoutNulls(JSON.parse(told))).toEqual(withoutNulls(exchange.answer));
        return;
      }
      const data = told
        .split('\n')
        .filter((line) => line.startsWith('data: '))
        .map((line) => line.slice(6));
      expect(sumOfStream(data)).toEqual(sumOfStream(exchange.frames ?? []));
    },
  );
});

const request = {
  model: 'anthropic/claude-sonnet-4-5',
  max_tokens: 10,
  messages: [{ role: 'user' as const, content: 'Hello' }],
};
const message = JSON.stringify({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
});
const json = (body: string, status = '200 OK') =>
  answered(body, status).replace('text/plain', 'application/json');

test("the client's betas reach Anthropic as a header, its key does not", async () => {
  const client = anthropicClient(gateway.url, { apiKey: 'of the client' });
  const pending = client.beta.messages.create({ ...request, betas: ['one-2025-01-01', 'two-2025-01-01'] });
  const { body, head, socket } = await upstream.request();
  socket.write(json(message));
  await pending;
  expect(head).toMatch(/^anthropic-beta: one-2025-01-01,\s?two-2025-01-01\r?$/im);
  expect(head).toMatch(/^x-api-key: the-key-of-the-gateway\r?$/im);
  expect(head).not.toContain('of the client');
  expect(JSON.parse(body)).toEqual({ ...request, model: 'claude-sonnet-4-5' });
});

test("Anthropic's refusal keeps its status, type and message", async () => {
  const { messages } = anthropicClient(gateway.url);
  for (const stream of [false, true]) {
    const pending = messages.create({ ...request, stream }).catch((reason) => reason);
    const { socket } = await upstream.request();
    const error = { type: 'invalid_request_error', message: 'max_tokens: 10 > 5' };
    socket.write(json(JSON.stringify({ type: 'error', error, request_id: 'req_theirs' }), '400 Bad Request'));
    expect(await pending).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect((await pending).message).toContain('max_tokens: 10 > 5');
  }
});

describe('tokens', () => {
  test('are counted by Anthropic', async () => {
    const { max_tokens: _, ...counted } = request;
    const pending = anthropicClient(gateway.url).messages.countTokens(counted);
    const { body, head, socket } = await upstream.request();
    expect(head).toMatch(/^POST \/v1\/messages\/count_tokens HTTP/);
    expect(JSON.parse(body)).toEqual({ ...counted, model: 'claude-sonnet-4-5' });
    socket.write(json('{"input_tokens":17}'));
    expect(await pending).toEqual({ input_tokens: 17 });
  });

  test('are estimated when it fails, but not when it refuses the request', async () => {
    const { messages } = anthropicClient(gateway.url);
    const estimated = messages.countTokens(request);
    (await upstream.request()).socket.write(
      json('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', '529 Overloaded'),
    );
    expect((await estimated).input_tokens).toBeGreaterThan(0);
    const refused = messages.countTokens(request).catch((reason) => reason);
    (await upstream.request()).socket.write(
      json('{"type":"error","error":{"type":"invalid_request_error","message":"no"}}', '400 Bad Request'),
    );
    expect(await refused).toMatchObject({ status: 400, type: 'invalid_request_error' });
  });
});
