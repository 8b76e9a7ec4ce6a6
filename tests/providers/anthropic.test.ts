import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import type { StreamEvent } from '../../src/model/events.ts';
import { type AnthropicOptions, anthropicProvider } from '../../src/providers/anthropic/provider.ts';
import type { ProviderCall } from '../../src/providers/provider.ts';
import {
  chunked,
  NO_TIMEOUTS,
  type ReceivedRequest,
  rejection,
  STREAM_HEAD,
  startPair,
} from '../http/support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair.stop());

const provider = (options: Partial<AnthropicOptions> = {}, path = '') =>
  anthropicProvider(
    {
      name: 'anthropic',
      baseUrl: `${pair.upstream.origin}${path}`,
      headers: { 'x-api-key': 'k' },
      missing: null,
      unsupported: ['seed'],
      ...options,
    },
    pair.client,
  );

const call = (extras = '', model = 'claude-opus-4-6'): ProviderCall => ({
  request: build.chatRequest(
    'm',
    [build.message(Role.USER, [build.textPart('hi')])],
    extras === '' ? {} : { extras: build.extras('anthropic.messages', extras) },
  ),
  upstreamModel: model,
  requestId: 'r',
  signal: new AbortController().signal,
  timeouts: NO_TIMEOUTS,
  warn: () => {},
});

const json = (value: unknown, status = '200 OK', headers = ''): string => {
  const body = JSON.stringify(value);
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
};
const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-opus-4-6',
  content: [{ type: 'text', text: 'Hello' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 1, output_tokens: 1 },
};
const frame = (data: { type: string }) => chunked(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);

/** What a call sends, answered with a message. */
async function sent(made: ReturnType<typeof provider>, asked = call()): Promise<ReceivedRequest> {
  const pending = made.createChat?.(asked);
  const request = await pair.upstream.request();
  request.socket.write(json(message));
  await pending;
  return request;
}

const headerOf = ({ head }: ReceivedRequest, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim();

describe('where and how it is asked', () => {
  test('the path, the key and the version', async () => {
    const request = await sent(provider());
    expect(request.head).toMatch(/^POST \/v1\/messages HTTP/);
    expect(headerOf(request, 'x-api-key')).toBe('k');
    expect(headerOf(request, 'anthropic-version')).toBe('2023-06-01');
    expect(headerOf(request, 'anthropic-beta')).toBeUndefined();
    expect(JSON.parse(request.body)).toMatchObject({
      model: 'claude-opus-4-6',
      messages: [{ role: 'user', content: 'hi' }],
    });
  });

  test.each(['', '/', '/v1', '/v1/'])('an address that ends in %j', async (path) => {
    expect((await sent(provider({}, path))).head).toMatch(/^POST \/v1\/messages HTTP/);
  });

  test('another host of the same form has its own headers', async () => {
    const headers = { 'api-key': 'azure', 'anthropic-version': '2030-01-01' };
    const request = await sent(provider({ headers }, '/anthropic'));
    expect(request.head).toMatch(/^POST \/anthropic\/v1\/messages HTTP/);
    expect(headerOf(request, 'api-key')).toBe('azure');
    expect(headerOf(request, 'x-api-key')).toBeUndefined();
    expect(headerOf(request, 'anthropic-version')).toBe('2030-01-01');
  });

  test('betas of the client are added to those of the configuration', async () => {
    const headers = { 'anthropic-beta': 'own-1,own-2' };
    expect(headerOf(await sent(provider({ headers })), 'anthropic-beta')).toBe('own-1,own-2');
    const request = await sent(provider({ headers }), call('{"anthropic_beta":["a","b"]}'));
    expect(headerOf(request, 'anthropic-beta')).toBe('own-1,own-2,a,b');
    expect(JSON.parse(request.body)).not.toHaveProperty('anthropic_beta');
  });

  test('Vertex has the model in its path', async () => {
    const path = '/v1/projects/p/locations/l/publishers/anthropic/models';
    const vertex = provider({ headers: { authorization: 'Bearer t' } }, path);
    const request = await sent(vertex, call('', 'claude-opus-4-6@20260101'));
    expect(request.head).toContain(`POST ${path}/claude-opus-4-6%4020260101:rawPredict HTTP`);
    expect(JSON.parse(request.body)).toMatchObject({ anthropic_version: 'vertex-2023-10-16' });
    expect(JSON.parse(request.body)).not.toHaveProperty('model');
    const stream = vertex.streamChat?.(call());
    const second = await pair.upstream.request();
    expect(second.head).toContain('claude-opus-4-6:streamRawPredict HTTP');
    second.socket.write(json(message));
    await (await stream)?.return();
    const count = vertex.countTokens?.(call());
    const third = await pair.upstream.request();
    expect(third.head).toContain(`POST ${path}/count-tokens:rawPredict HTTP`);
    third.socket.write(json({ input_tokens: 3 }));
    expect(await count).toBe(3);
  });

  test('what a model does not take is left out before it is asked', () => {
    const { unsupported } = provider();
    expect([...unsupported('claude-opus-4-6')]).toEqual(['seed']);
    expect([...unsupported('claude-sonnet-5')]).toEqual(['seed', 'temperature', 'top_p', 'top_k']);
    expect([...unsupported('claude-3-5-haiku-20241022')]).toEqual(['seed', 'reasoning_effort']);
  });
});

describe('counting', () => {
  test.each([[{}], [{ input_tokens: '7' }], [null]])('%j is no count', async (reply) => {
    const pending = rejection(provider().countTokens?.(call()) as Promise<number>);
    (await pair.upstream.request()).socket.write(json(reply));
    expect(await pending).toMatchObject({ reason: ErrorReason.UPSTREAM_INVALID });
  });
});

describe('a stream', () => {
  const start = { type: 'message_start', message: { ...message, content: [], stop_reason: null } };
  const blocks = [
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
    { type: 'content_block_stop', index: 0 },
  ];
  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

  async function stream(...frames: { type: string }[]) {
    const pending = provider().streamChat?.(call());
    const { socket, body, head } = await pair.upstream.request();
    expect(JSON.parse(body)).toMatchObject({ stream: true });
    expect(head).toMatch(/^accept: text\/event-stream\r?$/im);
    socket.end(`${STREAM_HEAD}${frames.map(frame).join('')}0\r\n\r\n`);
    return pending;
  }

  test('that is overloaded before its first content fails as a whole', async () => {
    const failure = (await rejection(
      stream(start, { type: 'ping' }, overloaded) as Promise<unknown>,
    )) as GatewayError;
    expect(failure).toMatchObject({
      reason: ErrorReason.UPSTREAM_OVERLOADED,
      facts: { upstreamStatus: 529, provider: 'anthropic' },
    });
  });

  test.each([
    ['fails later', [overloaded], ErrorReason.UPSTREAM_OVERLOADED],
    ['breaks off', [], ErrorReason.UPSTREAM_INTERRUPTED],
  ])('that %s tells its content first', async (_how, last, reason) => {
    const events = await stream(start, ...blocks, ...last);
    const told: (string | undefined)[] = [];
    const failure = await rejection(
      (async () => {
        for (;;) {
          const result = await events?.next();
          if (result === undefined || result.done) return;
          told.push(...result.value.map(({ event }: StreamEvent) => event.case));
        }
      })(),
    );
    expect(told).toContain('delta');
    expect(told).not.toContain('finished');
    expect(failure).toMatchObject({ reason });
  });
});

test('a limit is told of with how long to wait', async () => {
  const pending = rejection(provider().createChat?.(call()) as Promise<unknown>);
  const error = {
    type: 'error',
    error: { type: 'rate_limit_error', message: 'Slow down' },
    request_id: 'req_1',
  };
  (await pair.upstream.request()).socket.write(json(error, '429 Too Many Requests', 'retry-after: 3\r\n'));
  expect(await pending).toMatchObject({
    reason: ErrorReason.UPSTREAM_RATE_LIMITED,
    facts: { retryAfterMs: 3_000 },
  });
});
