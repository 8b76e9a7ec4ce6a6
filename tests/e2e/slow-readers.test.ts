import http2 from 'node:http2';
import net, { type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from 'vitest';
import { StreamChatCompletionRequestSchema } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { atRest, chunked, STREAM_HEAD, startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const model = 'openai/gpt-4o';
const wholeBytes = 100 * 2 ** 20;

/** An upstream with an answer of 100 MB, which it sends as fast as it is taken. */
async function startWide(env: Record<string, string> = {}) {
  const upstream = await startUpstream();
  stops.push(() => upstream.close());
  const sent = { bytes: 0, calls: 0, gone: 0 };
  const frame = chunked(
    `data: ${JSON.stringify({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'm',
      choices: [{ index: 0, delta: { content: 'x'.repeat(16_000) }, finish_reason: null }],
    })}\n\n`,
  );
  upstream.answerAll(({ head, socket, gone }) => {
    if (head.startsWith('GET '))
      return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    sent.calls++;
    void gone.then(() => sent.gone++);
    socket.write(STREAM_HEAD);
    const begun = sent.bytes;
    const pump = (): void => {
      while (sent.bytes - begun < wholeBytes && !socket.destroyed) {
        sent.bytes += frame.length;
        if (!socket.write(frame)) {
          socket.once('drain', pump);
          return;
        }
      }
    };
    pump();
  });
  const gateway = await startGateway({
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    OPENAI_API_KEY: 'k',
    ...env,
  });
  stops.push(() => gateway.stop());
  return { gateway, sent };
}

const message = Buffer.from(
  toBinary(
    StreamChatCompletionRequestSchema,
    create(StreamChatCompletionRequestSchema, {
      model,
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text', value: { text: 'x' } } }] }],
    }),
  ),
);
const enveloped = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
const rest = Buffer.from(JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'x' }] }));
const rpcPath = '/llmgateway.v1.ChatService/StreamChatCompletion';

/** Asks for a stream, and never reads. */
type Reader = (gateway: RunningGateway) => { readonly gone: Promise<unknown> };

const http1 =
  (path: string, type: string, body: Buffer): Reader =>
  ({ port }) => {
    const socket: Socket = net.connect(port, '127.0.0.1');
    stops.push(() => socket.destroy());
    socket.on('error', () => {});
    socket.pause();
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\nconnect-protocol-version: 1\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    return { gone: Promise.resolve() };
  };

const overHttp2 =
  (path: string, type: string, body: Buffer): Reader =>
  ({ url }) => {
    const session = http2.connect(url);
    session.on('error', () => {});
    stops.push(() => session.destroy());
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': type,
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.pause();
    stream.end(body);
    return { gone: new Promise((resolve) => stream.once('close', resolve)) };
  };

const readers: Record<string, Reader> = {
  'REST over HTTP/1.1': http1('/v1/chat/completions', 'application/json', rest),
  "Anthropic's messages over HTTP/1.1": http1(
    '/v1/messages',
    'application/json',
    Buffer.from(
      JSON.stringify({ model, stream: true, max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }),
    ),
  ),
  'REST over HTTP/2': overHttp2('/v1/chat/completions', 'application/json', rest),
  gRPC: overHttp2(rpcPath, 'application/grpc+proto', enveloped),
  'Connect over HTTP/1.1': http1(rpcPath, 'application/connect+proto', enveloped),
  'Connect over HTTP/2': overHttp2(rpcPath, 'application/connect+proto', enveloped),
  'gRPC-Web over HTTP/1.1': http1(rpcPath, 'application/grpc-web+proto', enveloped),
};

describe.each(Object.entries(readers))('a client of %s that reads nothing', (_name, read) => {
  test('stops the upstream, and holds little of an answer of 100 MB', async () => {
    const { gateway, sent } = await startWide();
    const before = await held();
    for (let i = 0; i < 3; i++) read(gateway);
    while (sent.calls < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    const rested = await atRest(() => sent.bytes);
    // Most of it is in the kernel's buffers of two connections.
    expect(rested).toBeLessThan(3 * 24 * 2 ** 20);
    expect((await held()) - before).toBeLessThan(3 * 2 * 2 ** 20);
    expect(await active(gateway)).toBe(3);
  });

  test('is cut off after a time, and what it held is free', async () => {
    const { gateway, sent } = await startWide({ LLM_GATEWAY_WRITE_TIMEOUT_SECONDS: '400ms' });
    read(gateway);
    while (sent.gone < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    while ((await active(gateway)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const told = gateway.log.filter((line) => line['message'] === 'a client that takes nothing is cut off');
    expect(told).toHaveLength(1);
  });
});

test('a stream that is silent, and a client that reads slowly, are not cut off', async () => {
  const { gateway } = await startWide({ LLM_GATEWAY_WRITE_TIMEOUT_SECONDS: '150ms' });
  const silent = fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'fake/slow?words=3&delay_ms=500',
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
    }),
  }).then((response) => response.text());
  const slow = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: rest });
  const reader = slow.body!.getReader();
  for (let i = 0; i < 40; i++) {
    const { value } = await reader.read();
    expect(value?.length).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  await reader.cancel();
  expect(await silent).toContain('[DONE]');
});

/** Bytes that are in use, of the heap and outside of it, without garbage. */
async function held(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => Promise<void>;
  for (let i = 0; i < 2; i++) await collect({ type: 'major', execution: 'async' });
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function active({ url }: RunningGateway): Promise<number> {
  const { backpressure } = (await (await fetch(`${url}/health/detailed`)).json()) as {
    backpressure: { active_requests: number };
  };
  return backpressure.active_requests;
}
