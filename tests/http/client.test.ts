import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answered, chunked, post, rejection, STREAM_HEAD, startPair, turns } from './support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(() => pair.stop());

describe('an exchange', () => {
  test('sends the request as given and resolves at the head of the response', async () => {
    const { client, upstream } = pair;
    const sent = client.send(
      post(upstream.origin, { path: '/v1/x?y=1', headers: { 'x-a': 'b' }, body: '{"é":1}' }),
    );
    const request = await upstream.request();
    expect(request.head).toMatch(/^POST \/v1\/x\?y=1 HTTP\/1\.1\r\n/);
    expect(request.head).toContain('\r\nx-a: b');
    expect(request.head).toContain('\r\ncontent-length: 8');
    expect(request.head).not.toMatch(/accept-encoding/i);
    expect(request.body).toBe('{"é":1}');

    request.socket.write(
      'HTTP/1.1 418 Teapot\r\nX-One: 1\r\nX-Two: a\r\nx-two: b\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    const response = await sent;
    expect(response.status).toBe(418);
    expect(response.headers).toEqual({ 'x-one': '1', 'x-two': 'a, b', 'transfer-encoding': 'chunked' });
    request.socket.write(`${chunked('hällo')}0\r\n\r\n`);
    expect(await response.body.text()).toBe('hällo');
    expect(await response.body.read()).toBeNull();
  });

  test('ignores interim responses', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    request.socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${answered('real')}`);
    const response = await sent;
    expect(response.status).toBe(200);
    expect(await response.body.text()).toBe('real');
  });

  test.each(['GET', 'DELETE', 'HEAD'])('%s goes without a body', async (method) => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin, { method, body: null, headers: {} }));
    const request = await upstream.request();
    expect(request.head).toMatch(new RegExp(`^${method} /v1/chat/completions HTTP/1.1\r\n`));
    request.socket.write('HTTP/1.1 204 No Content\r\n\r\n');
    const response = await sent;
    expect(response.status).toBe(204);
    expect(await response.body.text()).toBe('');
  });

  test('gives what arrived together in one read', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD + chunked('a') + chunked('b'));
    const { body } = await sent;
    expect((await body.read())?.toString()).toBe('ab');
    const reading = body.read();
    request.socket.write(chunked('c') + chunked('d') + chunked('e'));
    expect((await reading)?.toString()).toBe('cde');
    const ending = body.read();
    request.socket.write('0\r\n\r\n');
    expect(await ending).toBeNull();
    expect(await body.read()).toBeNull();
  });

  test('refuses a second reader', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD);
    const { body } = await sent;
    const first = body.read();
    await expect(body.read()).rejects.toThrow('one reader');
    request.socket.write(chunked('x'));
    expect((await first)?.toString()).toBe('x');
    body.cancel();
  });

  test('carries 10 MB both ways, as string and as Buffer', async () => {
    const { client, upstream } = pair;
    const large = 'gateway-é '.repeat(1_000_000);
    for (const body of [large, Buffer.from(large)]) {
      const sent = client.send(post(upstream.origin, { body }));
      const request = await upstream.request();
      expect(request.body === large).toBe(true);
      request.socket.write(answered(large));
      const text = await (await sent).body.text();
      expect(text === large).toBe(true);
    }
  });

  test('a body without length ends with its connection', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    request.socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall there is');
    expect(await (await sent).body.text()).toBe('all there is');
  });

  test('the bound of a collected body stops the upstream', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD + chunked('x'.repeat(1001)));
    const error = await rejection((await sent).body.text(1000));
    expect(error).toMatchObject({ name: 'UpstreamError', kind: 'too_large', phase: 'body' });
    await request.gone;
  });

  test('a body of exactly the bound is fine', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    (await upstream.request()).socket.write(answered('x'.repeat(1000)));
    expect(await (await sent).body.bytes(1000)).toHaveLength(1000);
  });
});

test('a failed response that nobody reads is no unhandled rejection', async () => {
  const { client, upstream } = pair;
  const seen: unknown[] = [];
  const listener = (reason: unknown) => seen.push(reason);
  process.on('unhandledRejection', listener);
  try {
    const sent = client.send(post(upstream.origin));
    const { socket, gone } = await upstream.request();
    socket.write(STREAM_HEAD + chunked('x'));
    await sent;
    socket.resetAndDestroy();
    await gone;
    await turns(50);
    expect(seen).toEqual([]);
  } finally {
    process.off('unhandledRejection', listener);
  }
});
