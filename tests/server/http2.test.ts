import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { readBody } from '../../src/server/body.ts';
import type { Response } from '../../src/server/port.ts';
import { data, frame, frameTypes, HELLO, headers, reset, windowUpdate } from './support/frames.ts';
import { call2, connect2, openPort, RawClient } from './support/harness.ts';

const ok = (res: Response): void => {
  res.end('ok');
};
const PING = 6;
const GOAWAY = 7;

test('an idle session gets GOAWAY; one with an open stream stays', async () => {
  const { url, number, port } = await openPort({
    limits: { http2IdleTimeoutMs: 60 },
    handler: (req, res) => {
      if (req.url === '/') res.end('ok');
      else res.write('begun');
    },
  });
  const idle = connect2(url);
  expect((await call2(idle, { ':path': '/' })).text).toBe('ok');
  const busy = connect2(url);
  const stream = busy.request({ ':path': '/hold' });
  await once(stream, 'data');
  const mute = new RawClient(number);
  await mute.write(HELLO);
  await once(idle, 'close');
  await mute.closed;
  expect(frameTypes(mute.received)).toContain(GOAWAY);
  // Opened after the busy one went silent, and idle as long.
  const later = connect2(url);
  await call2(later, { ':path': '/' });
  await once(later, 'close');
  expect(busy.closed).toBe(false);
  await expect.poll(() => port.connections.http2).toBe(1);
  stream.close();
  await once(busy, 'close');
});

test('a client that stops answering is found by PING, and its streams end', async () => {
  const { number, port } = await openPort({
    limits: { http2PingIntervalMs: 40, http2PingTimeoutMs: 40 },
    handler: () => {},
  });
  const dead = new RawClient(number);
  await dead.write(Buffer.concat([HELLO, headers(1, 'GET')]));
  await expect.poll(() => port.inFlight).toBe(1);
  await dead.closed;
  expect(frameTypes(dead.received)).toContain(PING);
  await expect.poll(() => port.inFlight).toBe(0);
});

test('a client that answers PINGs keeps its stream, and so does one that sends anything', async () => {
  const { url, number, port } = await openPort({
    limits: { http2PingIntervalMs: 40, http2PingTimeoutMs: 40 },
    handler: () => {},
  });
  const live = connect2(url);
  let pings = 0;
  live.on('ping', () => pings++);
  live.request({ ':path': '/' }).on('error', () => {});
  const slow = new RawClient(number);
  await slow.write(Buffer.concat([HELLO, headers(1, 'GET')]));
  const chatter = setInterval(() => void slow.write(windowUpdate(0, 1)), 5);
  await expect.poll(() => pings, { timeout: 5_000 }).toBeGreaterThan(4);
  clearInterval(chatter);
  expect(slow.socket.destroyed).toBe(false);
  expect(port.inFlight).toBe(2);
});

test('a body that comes too slowly is a 408', async () => {
  const { url, port } = await openPort({
    limits: { requestTimeoutMs: 60 },
    handler: async (req, res) => {
      await readBody(req, 1000).catch(() => {});
      if (!res.writableEnded) res.end();
    },
  });
  const answer = await call2(connect2(url), { ':method': 'POST', ':path': '/' }, (stream) =>
    stream.write('slow'),
  );
  expect(answer.status).toBe(408);
  expect(JSON.parse(answer.text).error.type).toBe('invalid_request_error');
  await expect.poll(() => port.inFlight).toBe(0);
});

test('a stream whose client goes on after its answer is closed by the request timeout', async () => {
  const { url, port } = await openPort({
    limits: { requestTimeoutMs: 60 },
    handler: (_req, res) => ok(res),
  });
  const answer = await call2(connect2(url), { ':method': 'POST', ':path': '/' }, (stream) => {
    stream.write(Buffer.alloc(500_000));
  });
  expect([answer.status, answer.text, answer.code]).toEqual([200, 'ok', 0]);
  await expect.poll(() => port.inFlight).toBe(0);
});

test('the request timeout spares streams that are answered while they are sent, and slow answers', async () => {
  const { url, port } = await openPort({
    limits: { requestTimeoutMs: 60 },
    handler: (req, res) => {
      if (req.url === '/both-ways') req.pipe(res as Writable);
    },
  });
  const session = connect2(url);
  const stream = session.request({ ':method': 'POST', ':path': '/both-ways' }, { endStream: false });
  stream.write('a');
  await once(stream, 'data');
  session.request({ ':path': '/slow' }).on('error', () => {});
  // A request that does run into the timeout shows that the others' has passed.
  const slow = await call2(session, { ':method': 'POST', ':path': '/' }, (s) => s.write('x'));
  expect(slow.status).toBe(408);
  stream.write('b');
  await once(stream, 'data');
  expect(port.inFlight).toBe(2);
});

test('concurrent uploads of 10 MB all arrive on one session', async () => {
  const { url } = await openPort({
    handler: async (req, res) => {
      const body = await readBody(req, 20_000_000);
      res.end(String(body.length));
    },
  });
  const session = connect2(url);
  const chunk = Buffer.alloc(64 * 1024, 'x');
  const upload = () =>
    call2(session, { ':method': 'POST', ':path': '/' }, (stream) => {
      let left = 160;
      const more = () => {
        while (left > 0) {
          left--;
          if (!stream.write(chunk)) return;
        }
        stream.end();
      };
      stream.on('drain', more);
      more();
    });
  const answers = await Promise.all(Array.from({ length: 8 }, upload));
  expect(answers.map((answer) => answer.text)).toEqual(Array(8).fill(String(160 * chunk.length)));
});

test('an upload that nobody reads does not stop others on its session', async () => {
  const { url } = await openPort({
    limits: { http2StreamWindowBytes: 64 * 1024, http2SessionWindowBytes: 256 * 1024 },
    handler: async (req, res) => {
      if (req.url === '/unread') return;
      res.end(String((await readBody(req, 20_000_000)).length));
    },
  });
  const session = connect2(url);
  const unread = session.request({ ':method': 'POST', ':path': '/unread' }, { endStream: false });
  unread.on('error', () => {});
  unread.write(Buffer.alloc(1_000_000));
  const answer = await call2(session, { ':method': 'POST', ':path': '/' }, (stream) =>
    stream.end(Buffer.alloc(1_000_000)),
  );
  expect(answer.text).toBe('1000000');
});

test('headers that are too large are refused', async () => {
  const { url } = await openPort({
    limits: { maxHeaderBytes: 20_000 },
    handler: (_req, res) => ok(res),
  });
  const headers = { ':path': '/', 'x-big': 'x'.repeat(40_000) };
  // Before the client has acknowledged the limit, and after.
  const session = connect2(url);
  expect((await call2(session, headers)).status).toBe(431);
  expect((await call2(session, headers)).code).not.toBe(0);
  expect((await call2(session, { ':path': '/' })).text).toBe('ok');
});

test('no more streams are open than allowed', async () => {
  let most = 0;
  const { url, port } = await openPort({
    limits: { maxConcurrentStreams: 3 },
    handler: (_req, res) => {
      most = Math.max(most, port.inFlight);
      setImmediate(() => res.end('ok'));
    },
  });
  const session = connect2(url);
  await once(session, 'remoteSettings');
  const answers = await Promise.all(Array.from({ length: 20 }, () => call2(session, { ':path': '/' })));
  expect(answers.every((answer) => answer.text === 'ok')).toBe(true);
  expect(most).toBeLessThanOrEqual(3);
});

test.each([
  ['garbage behind the preface', Buffer.concat([HELLO, Buffer.alloc(200, 0xff)])],
  ['data on a stream that was never opened', Buffer.concat([HELLO, data(1, Buffer.from('x'))])],
  ['headers that cannot be decoded', Buffer.concat([HELLO, frame(1, 4, 1, Buffer.alloc(20, 0xff))])],
])('%s ends that session only', async (_, bytes) => {
  const { url, number, port } = await openPort({ handler: (_req, res) => ok(res) });
  const client = new RawClient(number);
  await client.write(bytes);
  await client.closed;
  await expect.poll(() => port.connections.total).toBe(0);
  expect((await call2(connect2(url), { ':path': '/' })).text).toBe('ok');
});

test('streams reset in the packet that opens them are counted out again', async () => {
  const { number, port } = await openPort({ handler: () => {} });
  const client = new RawClient(number);
  const streams = [1, 3, 5, 7].map((id) => Buffer.concat([headers(id, 'POST'), reset(id, 8)]));
  await client.write(Buffer.concat([HELLO, ...streams, headers(9, 'GET')]));
  await expect.poll(() => port.inFlight).toBe(1);
  client.socket.destroy();
  await expect.poll(() => port.inFlight).toBe(0);
});

test('trailers arrive', async () => {
  const { url } = await openPort({
    handler: (_req, res) => {
      res.setHeader('content-type', 'application/grpc');
      res.addTrailers({ 'grpc-status': '0' });
      res.end('message');
    },
  });
  const answer = await call2(connect2(url), { ':method': 'POST', ':path': '/' });
  expect(answer.trailers['grpc-status']).toBe('0');
});
