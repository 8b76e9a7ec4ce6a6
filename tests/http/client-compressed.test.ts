import { brotliCompressSync, createGzip, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { post, rejection, startPair } from './support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(() => pair.stop());

describe('a compressed response', () => {
  const text = 'data: {"text":"compressed although nobody asked"}\n\n'.repeat(50);
  const coded: [string, Buffer][] = [
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['identity', Buffer.from(text)],
  ];
  const head = (coding: string, length: number) =>
    `HTTP/1.1 200 OK\r\ncontent-encoding: ${coding}\r\ncontent-length: ${length}\r\n\r\n`;

  test.each(coded)('%s is decoded', async (coding, bytes) => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const { socket } = await upstream.request();
    socket.write(head(coding, bytes.length));
    socket.write(bytes);
    expect(await (await sent).body.text()).toBe(text);
  });

  test('what the upstream flushed can be read at once', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const { socket } = await upstream.request();
    socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\n\r\n');
    const gzip = createGzip();
    gzip.pipe(socket);
    gzip.write('data: 1\n\n');
    gzip.flush();
    const { body } = await sent;
    expect((await body.read())?.toString()).toBe('data: 1\n\n');
    gzip.end('data: 2\n\n');
    expect(await body.text()).toBe('data: 2\n\n');
  });

  test('an empty one is empty', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    (await upstream.request()).socket.write(head('gzip', 0));
    expect(await (await sent).body.text()).toBe('');
  });

  test('its bound is on what it expands to', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const { socket } = await upstream.request();
    socket.write(head('gzip', bomb.length));
    socket.write(bomb);
    const error = await rejection((await sent).body.text(100_000));
    expect(error).toMatchObject({ kind: 'too_large' });
  });

  test('a broken one is a protocol error and stops the upstream', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const { socket, gone } = await upstream.request();
    socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 100\r\n\r\nthis is not gzip`);
    const { body } = await sent;
    expect(await rejection(body.text())).toMatchObject({ kind: 'protocol', phase: 'body' });
    expect(await rejection(body.read())).toMatchObject({ kind: 'protocol', phase: 'body' });
    await gone;
  });

  test('one that breaks off is a reset, or a protocol error if HTTP was ended properly', async () => {
    const { client, upstream } = pair;
    const bytes = gzipSync(text).subarray(0, 40);
    for (const [length, kind] of [
      [1000, 'reset'],
      [40, 'protocol'],
    ] as const) {
      const sent = client.send(post(upstream.origin));
      const { socket } = await upstream.request();
      socket.write(head('gzip', length));
      socket.end(bytes);
      expect(await rejection((await sent).body.text())).toMatchObject({ kind });
    }
  });

  test('cancelling stops the upstream; aborting rejects with the reason', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const reason = new Error('the client left');
    for (const stop of ['cancel', 'abort'] as const) {
      const sent = client.send(post(upstream.origin, { signal: abort.signal }));
      const { socket, gone } = await upstream.request();
      socket.write(head('gzip', 1000));
      const { body } = await sent;
      const reading = rejection(body.read());
      if (stop === 'cancel') body.cancel();
      else abort.abort(reason);
      await gone;
      if (stop === 'cancel') expect(await reading).toMatchObject({ kind: 'aborted' });
      else expect(await reading).toBe(reason);
    }
  });

  test('an unknown coding is a protocol error', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const { socket, gone } = await upstream.request();
    socket.write(head('compress', 10));
    expect(await rejection(sent)).toMatchObject({ kind: 'protocol', phase: 'body' });
    await gone;
  });
});
