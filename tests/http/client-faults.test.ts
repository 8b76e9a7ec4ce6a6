import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createUpstreamClient, UpstreamError } from '../../src/http/client.ts';
import {
  answered,
  chunked,
  NO_TIMEOUTS,
  post,
  rejection,
  STREAM_HEAD,
  startPair,
  startUpstream,
  turns,
} from './support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(async () => {
  vi.useRealTimers();
  await pair.stop();
});

const useFakeTime = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });

describe('no connection', () => {
  test('refused', async () => {
    const upstream = await startUpstream();
    upstream.close();
    const error = await rejection(pair.client.send(post(upstream.origin)));
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject({ kind: 'connect', phase: 'connect', cause: { code: 'ECONNREFUSED' } });
    expect((error as Error).message).not.toContain('/v1/');
  });

  test('a name that does not exist', async () => {
    const error = await rejection(pair.client.send(post('http://no-such-host.invalid')));
    expect(error).toMatchObject({ kind: 'connect', phase: 'connect' });
  });

  test('TLS with a server that does not speak it', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const error = await rejection(pair.client.send(post(`https://127.0.0.1:${port}`)));
    expect(error).toMatchObject({ kind: 'connect', phase: 'connect' });
    server.close();
  });

  test('a handshake that does not come about in time', async () => {
    useFakeTime();
    const { client, upstream } = pair;
    const connection = upstream.connection();
    const timeouts = { ...NO_TIMEOUTS, connectMs: 3_000 };
    const sent = rejection(client.send(post(upstream.origin.replace('http:', 'https:'), { timeouts })));
    await connection;
    vi.advanceTimersByTime(3_020);
    expect(await sent).toMatchObject({ kind: 'connect_timeout', phase: 'connect' });
  });

  test('none free in time, and the request is not sent later', async () => {
    useFakeTime();
    const { upstream } = pair;
    const client = createUpstreamClient({ connections: 1 });
    const busy = client.send(post(upstream.origin, { body: 'first' }));
    const first = await upstream.request();
    const timeouts = { ...NO_TIMEOUTS, connectMs: 3_000 };
    const waiting = rejection(client.send(post(upstream.origin, { body: 'never', timeouts })));
    vi.advanceTimersByTime(3_020);
    expect(await waiting).toMatchObject({ kind: 'overloaded', phase: 'connect' });

    first.socket.write(answered('ok'));
    await (await busy).body.text();
    const next = client.send(post(upstream.origin, { body: 'second' }));
    const second = await upstream.request();
    expect(second.body).toBe('second');
    expect(second.nth).toBe(2);
    second.socket.write(answered('ok'));
    await (await next).body.text();
    await client.close();
  });
});

describe('no response', () => {
  test.each([
    ['closed', (socket: net.Socket) => socket.end()],
    ['reset', (socket: net.Socket) => socket.resetAndDestroy()],
  ])('%s unanswered', async (_name, act) => {
    const { client, upstream } = pair;
    const sent = rejection(client.send(post(upstream.origin)));
    act((await upstream.request()).socket);
    expect(await sent).toMatchObject({ kind: 'connect', phase: 'headers' });
    expect(upstream.connections()).toBe(1);
  });

  test.each([
    ['closed', (socket: net.Socket) => socket.end()],
    ['reset', (socket: net.Socket) => socket.resetAndDestroy()],
  ])('%s inside the head', async (_name, act) => {
    const { client, upstream } = pair;
    const sent = rejection(client.send(post(upstream.origin)));
    const { socket } = await upstream.request();
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: te');
    await turns(20);
    act(socket);
    expect(await sent).toMatchObject({ kind: 'reset', phase: 'headers' });
  });

  test.each([
    ['not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}`],
    ['a broken length', 'HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n'],
  ])('%s', async (_name, bytes) => {
    const { client, upstream } = pair;
    const sent = rejection(client.send(post(upstream.origin)));
    (await upstream.request()).socket.write(bytes);
    expect(await sent).toMatchObject({ kind: 'protocol', phase: 'headers' });
  });

  test('silence: the time to the first byte, counted from the sending', async () => {
    useFakeTime();
    const { client, upstream } = pair;
    const timeouts = { connectMs: 1_000, firstByteMs: 30_000, idleMs: 5_000 };
    const sent = rejection(client.send(post(upstream.origin, { timeouts })));
    const { gone } = await upstream.request();
    let settled = false;
    void sent.then(() => {
      settled = true;
    });
    vi.advanceTimersByTime(29_950);
    await turns(2);
    expect(settled).toBe(false);
    vi.advanceTimersByTime(70);
    expect(await sent).toMatchObject({ kind: 'first_byte_timeout', phase: 'headers' });
    await gone;
  });

  test('a head, then silence: the same time, in the body', async () => {
    useFakeTime();
    const { client, upstream } = pair;
    const timeouts = { connectMs: 1_000, firstByteMs: 30_000, idleMs: 5_000 };
    const sent = client.send(post(upstream.origin, { timeouts }));
    const { socket, gone } = await upstream.request();
    vi.advanceTimersByTime(20_000);
    socket.write(STREAM_HEAD);
    const reading = rejection((await sent).body.read());
    vi.advanceTimersByTime(10_020);
    expect(await reading).toMatchObject({ kind: 'first_byte_timeout', phase: 'body' });
    await gone;
  });
});

describe('a response that breaks off', () => {
  test.each([
    ['content-length not met', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345', false],
    ['content-length not met, reset', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345', true],
    ['last chunk missing', STREAM_HEAD + chunked('12345'), false],
    ['last chunk missing, reset', STREAM_HEAD + chunked('12345'), true],
    ['inside a chunk', `${STREAM_HEAD}f\r\n12345`, false],
    [
      'last chunk missing, not kept alive',
      STREAM_HEAD.replace('\r\n', '\r\nconnection: close\r\n') + chunked('12345'),
      false,
    ],
    [
      'length not met, not kept alive',
      'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\n12345',
      false,
    ],
  ])('%s: what came, then the error', async (_name, bytes, reset) => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const { socket } = await upstream.request();
    socket.write(bytes);
    const { body } = await sent;
    expect((await body.read())?.toString()).toBe('12345');
    if (reset) socket.resetAndDestroy();
    else socket.end();
    expect(await rejection(body.read())).toMatchObject({ kind: 'reset', phase: 'body' });
    expect(await rejection(body.text())).toMatchObject({ kind: 'reset', phase: 'body' });
  });

  test('bytes and the error at once: still the bytes first', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    (await upstream.request()).socket.end(STREAM_HEAD + chunked('12345'));
    const { body } = await sent;
    await turns(20);
    expect((await body.read())?.toString()).toBe('12345');
    expect(await rejection(body.read())).toMatchObject({ kind: 'reset', phase: 'body' });
  });

  test('chunks that are none', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    (await upstream.request()).socket.write(`${STREAM_HEAD}zz\r\n`);
    expect(await rejection((await sent).body.text())).toMatchObject({ kind: 'protocol', phase: 'body' });
  });

  test('silence in the middle: every byte starts the time anew', async () => {
    useFakeTime();
    const { client, upstream } = pair;
    const timeouts = { connectMs: 1_000, firstByteMs: 30_000, idleMs: 60_000 };
    const sent = client.send(post(upstream.origin, { timeouts }));
    const { socket, gone } = await upstream.request();
    socket.write(STREAM_HEAD + chunked('a'));
    const { body } = await sent;
    await body.read();
    for (const byte of ['b', 'c']) {
      const reading = body.read();
      vi.advanceTimersByTime(59_000);
      socket.write(chunked(byte));
      expect((await reading)?.toString()).toBe(byte);
    }
    const reading = rejection(body.read());
    vi.advanceTimersByTime(60_020);
    expect(await reading).toMatchObject({ kind: 'idle_timeout', phase: 'body' });
    await gone;
  });

  test('a blocked event loop is no silent upstream', async () => {
    const { client, upstream } = pair;
    const timeouts = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 100 };
    const sent = client.send(post(upstream.origin, { timeouts }));
    const { socket } = await upstream.request();
    socket.write(STREAM_HEAD + chunked('a'));
    const { body } = await sent;
    await body.read();
    const reading = body.read();
    socket.write(chunked('b'));
    for (const until = performance.now() + 150; performance.now() < until; );
    expect((await reading)?.toString()).toBe('b');
    body.cancel();
  });

  test('a comment is a byte like any other; unread bytes are the time of the reader', async () => {
    useFakeTime();
    const { client, upstream } = pair;
    const timeouts = { connectMs: 1_000, firstByteMs: 30_000, idleMs: 1_000 };
    const sent = client.send(post(upstream.origin, { timeouts }));
    const { socket } = await upstream.request();
    socket.write(STREAM_HEAD + chunked(': processing\n\n'));
    const { body } = await sent;
    await turns(20);
    vi.advanceTimersByTime(3_600_000);
    expect((await body.read())?.toString()).toBe(': processing\n\n');
    const reading = body.read();
    socket.write(`${chunked('x')}0\r\n\r\n`);
    expect((await reading)?.toString()).toBe('x');
    expect(await body.read()).toBeNull();
  });
});
