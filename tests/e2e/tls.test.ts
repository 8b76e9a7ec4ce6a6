import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const fixture = (name: string) => path.join(import.meta.dirname, '../server/fixtures', name);
const body = (stream: boolean) =>
  JSON.stringify({ model: 'fake/echo', stream, messages: [{ role: 'user', content: 'Hello' }] });

let plain: RunningGateway;
let tls: RunningGateway;
beforeAll(async () => {
  plain = await startGateway();
  tls = await startGateway({
    LLM_GATEWAY_TLS_CERT: fixture('one-cert.pem'),
    LLM_GATEWAY_TLS_KEY: fixture('one-key.pem'),
  });
});
afterAll(async () => {
  await plain.stop();
  await tls.stop();
});

/** A REST call over HTTP/2. */
function overHttp2(url: string, stream: boolean): Promise<{ status: number; type: string; text: string }> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url, { rejectUnauthorized: false });
    session.on('error', reject);
    const request = session.request({
      ':method': 'POST',
      ':path': '/v1/chat/completions',
      'content-type': 'application/json',
    });
    let status = 0;
    let type = '';
    let text = '';
    request.on('response', (headers) => {
      status = Number(headers[':status']);
      type = String(headers['content-type']);
    });
    request.setEncoding('utf8').on('data', (data: string) => {
      text += data;
    });
    request.on('end', () => {
      session.close();
      resolve({ status, type, text });
    });
    request.end(body(stream));
  });
}

describe.each([
  ['cleartext', () => plain.url],
  ['TLS', () => tls.url.replace('http:', 'https:')],
] as const)('HTTP/2 over %s', (_kind, url) => {
  test('REST, whole', async () => {
    const { status, type, text } = await overHttp2(url(), false);
    expect([status, type]).toEqual([200, 'application/json']);
    expect(JSON.parse(text).choices[0].message.content).toBe('Hello');
  });

  test('REST, streamed', async () => {
    const { status, type, text } = await overHttp2(url(), true);
    expect([status, type]).toEqual([200, 'text/event-stream; charset=utf-8']);
    expect(text).toMatch(/"content":"Hello"[\s\S]*data: \[DONE\]\n\n$/);
  });

  test('gRPC', async () => {
    const nodeOptions = { rejectUnauthorized: false };
    const client = createClient(ChatService, createGrpcTransport({ baseUrl: url(), nodeOptions }));
    let text = '';
    const messages = [
      { role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'Hello' } } }] },
    ];
    for await (const { event } of client.streamChatCompletion({ model: 'fake/echo', messages })) {
      if (event.case === 'delta') text += event.value.text;
    }
    expect(text).toBe('Hello');
  });
});

test('HTTP/1.1 over TLS', async () => {
  const status = await new Promise((resolve, reject) => {
    const options = { method: 'POST', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
    const request = https.request(
      `${tls.url.replace('http:', 'https:')}/v1/chat/completions`,
      options,
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      },
    );
    request.on('error', reject);
    request.end(body(false));
  });
  expect(status).toBe(200);
});

test('what turns TLS on or off waits for a restart, and changes nothing else', async () => {
  const cert = fixture('two-cert.pem');
  const key = fixture('two-key.pem');
  const changes = [
    [plain, { tlsCert: cert, tlsKey: key }],
    [tls, { tlsCert: '', tlsKey: '' }],
  ] as const;
  for (const [{ gateway, url }, change] of changes) {
    const { config } = gateway;
    gateway.reload({ ...config, ...change });
    const scheme = url.replace('http:', config.tlsCert === '' ? 'http:' : 'https:');
    expect(await overHttp2(scheme, false)).toMatchObject({ status: 200 });
    gateway.reload(config);
  }
});
