import { once } from 'node:events';
import http, { type ServerResponse } from 'node:http';
import http2, { type Http2ServerResponse } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ClientGoneError, openSse } from '../../src/http/sse-writer.ts';
import { atRest, post, rejection, startPair, turns } from './support/upstream.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function listen(server: http.Server | http2.Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A real HTTP/1.1 response, and the raw socket of the client that asked for it. */
async function http1(): Promise<{ res: ServerResponse; client: net.Socket; received: () => string }> {
  const server = http.createServer();
  const port = await listen(server);
  const client = net.connect(port, '127.0.0.1');
  client.on('error', () => {});
  let text = '';
  client.on('data', (chunk) => {
    text += chunk.toString();
  });
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const [, res] = (await once(server, 'request')) as [unknown, ServerResponse];
  stops.push(() => {
    client.destroy();
    server.close();
  });
  return { res, client, received: () => text };
}

async function http2Pair(): Promise<{
  res: Http2ServerResponse;
  stream: http2.ClientHttp2Stream;
  received: () => string;
}> {
  const server = http2.createServer();
  const port = await listen(server);
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => {});
  stream.setEncoding('utf8');
  let text = '';
  stream.on('data', (chunk: string) => {
    text += chunk;
  });
  const [, res] = (await once(server, 'request')) as [unknown, Http2ServerResponse];
  stops.push(() => {
    session.destroy();
    server.close();
  });
  return { res, stream, received: () => text };
}

describe('over HTTP/1.1', () => {
  test('the head, frames and end', async () => {
    const { res, client, received } = await http1();
    const writer = openSse(res, { headers: { 'x-request-id': 'r1', 'cache-control': 'no-store' } });
    expect(writer.write('data: é\n\n')).toBeUndefined();
    expect(writer.write('data: 2\n\ndata: 3\n\n')).toBeUndefined();
    writer.end('data: [DONE]\n\n');
    while (!received().endsWith('0\r\n\r\n')) await once(client, 'data');
    const [head, body] = received().split('\r\n\r\n', 2) as [string, string];
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(head).toContain('content-type: text/event-stream; charset=utf-8');
    expect(head).toContain('x-accel-buffering: no');
    expect(head).toContain('x-request-id: r1');
    expect(head).toContain('cache-control: no-store');
    const frames = body.split('\r\n').filter((_, i) => i % 2 === 1);
    expect(frames.join('')).toBe('data: é\n\ndata: 2\n\ndata: 3\n\ndata: [DONE]\n\n');
  });

  test('the head and the first frames leave in one piece', async () => {
    const { res, client, received } = await http1();
    const writer = openSse(res);
    await Promise.resolve();
    writer.write('data: x\n\n');
    await once(client, 'data');
    expect(received()).toContain('data: x\n\n');
    writer.end();
  });

  test('the head leaves although nothing is written', async () => {
    const { res, client, received } = await http1();
    const writer = openSse(res);
    await once(client, 'data');
    expect(received()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n$/s);
    writer.end();
  });

  test('a client that does not read makes the writer wait, until it reads', async () => {
    const { res, client, received } = await http1();
    client.pause();
    const writer = openSse(res);
    const frame = `data: ${'x'.repeat(100_000)}\n\n`;
    let wait: Promise<void> | undefined;
    let written = 0;
    // The kernel takes some megabytes in the client's stead.
    for (let taken = true; taken; ) {
      wait = writer.write(frame);
      written++;
      if (wait !== undefined)
        taken = await Promise.race([wait.then(() => true), turns(2_000).then(() => false)]);
      expect(written).toBeLessThan(400);
    }
    client.resume();
    await wait;
    writer.end();
    while (!received().endsWith('0\r\n\r\n')) await once(client, 'data');
    expect(
      received()
        .match(/x{1000,}/g)
        ?.join(''),
    ).toHaveLength(written * 100_000);
  });

  test.each(['destroy', 'resetAndDestroy'] as const)(
    'a client that leaves (%s) ends the waiting',
    async (act) => {
      const { res, client } = await http1();
      client.pause();
      const writer = openSse(res);
      const frame = `data: ${'x'.repeat(1_000_000)}\n\n`;
      const writeOn = async () => {
        for (let i = 0; i < 100; i++) await writer.write(frame);
      };
      const writing = rejection(writeOn());
      await turns(50);
      client[act]();
      expect(await writing).toBeInstanceOf(ClientGoneError);
      expect(writer.gone).toBe(true);
      expect(() => writer.write('data: x\n\n')).toThrow(ClientGoneError);
      writer.end('data: x\n\n');
    },
  );

  test('a client that left before it began', async () => {
    const { res, client } = await http1();
    client.destroy();
    await once(res, 'close');
    const writer = openSse(res);
    expect(writer.gone).toBe(true);
    expect(() => writer.write('data: x\n\n')).toThrow(ClientGoneError);
  });

  test('writing after the end is a mistake of the caller', async () => {
    const { res } = await http1();
    const writer = openSse(res);
    writer.end();
    writer.end();
    expect(() => writer.write('data: x\n\n')).toThrow('ended');
  });
});

describe('over HTTP/2', () => {
  test('the head, frames and end', async () => {
    const { res, stream, received } = await http2Pair();
    const writer = openSse(res);
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'text/event-stream; charset=utf-8' });
    writer.write('data: é\n\n');
    writer.end('data: [DONE]\n\n');
    await once(stream, 'end');
    expect(received()).toBe('data: é\n\ndata: [DONE]\n\n');
  });

  test('a client that does not read makes the writer wait; one that leaves ends that', async () => {
    const { res, stream } = await http2Pair();
    stream.pause();
    const writer = openSse(res);
    let wait: Promise<void> | undefined;
    for (let i = 0; i < 20; i++) wait = writer.write(`data: ${'x'.repeat(100_000)}\n\n`) ?? wait;
    stream.close(http2.constants.NGHTTP2_CANCEL);
    expect(await rejection(wait!)).toBeInstanceOf(ClientGoneError);
    expect(() => writer.write('data: x\n\n')).toThrow(ClientGoneError);
  });

  test('a slow one gets everything', async () => {
    const { res, stream, received } = await http2Pair();
    stream.pause();
    const writer = openSse(res);
    const waits: unknown[] = [];
    for (let i = 0; i < 20; i++) waits.push(writer.write(`data: ${'x'.repeat(100_000)}\n\n`));
    expect(waits.at(-1)).toBeInstanceOf(Promise);
    stream.resume();
    await waits.at(-1);
    writer.end();
    await once(stream, 'end');
    expect(
      received()
        .match(/x{1000,}/g)
        ?.join(''),
    ).toHaveLength(2_000_000);
  });
});

test('a slow reader slows the upstream: nothing piles up between them', async () => {
  const { upstream, client, stop } = await startPair();
  stops.push(stop);
  const sent = client.send(post(upstream.origin));
  const { socket } = await upstream.request();
  const total = 100_000_000;
  let poured = 0;
  const pour = async () => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
    const piece = Buffer.alloc(50_000, 'data: x\n\n\n');
    for (; poured < total && !socket.destroyed; poured += piece.length) {
      if (!socket.write(piece)) await once(socket, 'drain').catch(() => {});
    }
  };
  void pour();

  const slow = await http1();
  slow.client.pause();
  const writer = openSse(slow.res);
  const { body } = await sent;
  const relay = async () => {
    for (let bytes = await body.read(); bytes !== null; bytes = await body.read()) {
      await writer.write(bytes.toString());
    }
  };
  const relayed = rejection(relay()).finally(() => body.cancel());
  expect(await atRest(() => poured)).toBeLessThan(40_000_000);
  slow.client.destroy();
  expect(await relayed).toBeInstanceOf(ClientGoneError);
});
