import { once } from 'node:events';
import http from 'node:http';
import { expect, test } from 'vitest';
import { ClientGoneError, clientGone } from '../../src/server/disconnect.ts';
import type { Request, Response } from '../../src/server/port.ts';
import { HELLO, headers, reset } from './support/frames.ts';
import { goneSignal } from './support/gone-signal.ts';
import { afterTest, call2, connect2, get1, openPort, RawClient } from './support/harness.ts';

/** A port whose requests stay open until `answer` is called; their signals in order of arrival. */
async function openHeld(answer: (req: Request, res: Response) => void = () => {}) {
  const signals: AbortSignal[] = [];
  const opened = await openPort({
    handler: (req, res) => {
      signals.push(goneSignal(req, res));
      answer(req, res);
    },
  });
  const arrived = (count: number) => expect.poll(() => signals.length).toBe(count);
  const aborted = (index: number) => expect.poll(() => signals[index]?.aborted).toBe(true);
  return { ...opened, signals, arrived, aborted };
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

test.each([
  ['before its answer begins', () => {}],
  ['in the middle of its answer', (_req: Request, res: Response) => void res.write('begun')],
])('a client that leaves %s is noticed', async (_, answer) => {
  const { number, url, port, signals, arrived, aborted } = await openHeld(answer);

  const raw = new RawClient(number);
  await raw.write(GET);
  await arrived(1);
  raw.socket.destroy();
  await aborted(0);

  const broken = new RawClient(number);
  await broken.write(GET);
  await arrived(2);
  broken.socket.resetAndDestroy();
  await aborted(1);

  const half = new RawClient(number);
  await half.write(GET);
  await arrived(3);
  half.socket.end();
  await aborted(2);

  const session = connect2(url);
  const stream = session.request({ ':path': '/' }).on('error', () => {});
  const other = session.request({ ':path': '/' }).on('error', () => {});
  await arrived(5);
  stream.close(8);
  await aborted(3);
  expect(signals[4]?.aborted).toBe(false);
  other.close(0);
  await aborted(4);

  session.request({ ':path': '/' }).on('error', () => {});
  await arrived(6);
  session.destroy();
  await aborted(5);

  const quiet = new RawClient(number);
  await quiet.write(Buffer.concat([HELLO, headers(1, 'POST')]));
  await arrived(7);
  quiet.socket.end();
  await aborted(6);

  for (const signal of signals) expect(signal.reason).toBeInstanceOf(ClientGoneError);
  await expect.poll(() => port.inFlight).toBe(0);
});

test('a client that leaves while it still sends is noticed', async () => {
  const { number, arrived, aborted } = await openHeld();
  const raw = new RawClient(number);
  await raw.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf');
  await arrived(1);
  raw.socket.destroy();
  await aborted(0);
});

test('every pipelined request of a client that leaves is noticed', async () => {
  const { number, port, arrived, aborted } = await openHeld();
  const raw = new RawClient(number);
  await raw.write(GET + GET + GET);
  await arrived(3);
  raw.socket.destroy();
  for (const index of [0, 1, 2]) await aborted(index);
  await expect.poll(() => port.inFlight).toBe(0);
});

test('a signal asked for after the client left is aborted already', async () => {
  const signals: AbortSignal[] = [];
  const late = async (req: Request, res: Response) => {
    if (req.url === '/late' || 'stream' in req) await new Promise((resolve) => res.once('close', resolve));
    signals.push(goneSignal(req, res));
  };
  const { number, url, port } = await openPort({ handler: late });
  const raw = new RawClient(number);
  await raw.write('GET /late HTTP/1.1\r\nhost: a\r\n\r\n');
  await expect.poll(() => port.inFlight).toBe(1);
  raw.socket.destroy();
  await expect.poll(() => signals.length).toBe(1);
  const session = connect2(url);
  session.request({ ':path': '/' }).on('error', () => {});
  await expect.poll(() => port.inFlight).toBe(1);
  session.destroy();
  await expect.poll(() => signals.length).toBe(2);
  expect(signals.map((signal) => signal.aborted)).toEqual([true, true]);
});

test('a reset in the packet that opens the stream is noticed', async () => {
  const { number, arrived, aborted } = await openHeld();
  const raw = new RawClient(number);
  await raw.write(Buffer.concat([HELLO, headers(1, 'POST'), reset(1, 8), headers(3, 'GET')]));
  await arrived(2);
  await aborted(0);
});

test('a response that ended well never aborts', async () => {
  const big = Buffer.alloc(3_000_000, 'x');
  const { url, number, port, signals } = await openHeld((req, res) => {
    if (req.url === '/big') res.write(big);
    if (req.url === '/trailers') res.addTrailers({ 'grpc-status': '0' });
    res.end('end');
  });
  const session = connect2(url);
  for (const path of ['/', '/big', '/trailers']) {
    await get1(url + path);
    await get1(url + path, { headers: { connection: 'close' } });
    await get1(url + path, { method: 'HEAD' });
    await get1(url + path, { method: 'POST' }, (req) => req.end('body'));
    await call2(session, { ':path': path });
    await call2(session, { ':path': path, ':method': 'HEAD' });
    await call2(session, { ':path': path, ':method': 'POST' }, (stream) => stream.end('body'));
  }
  const raw = new RawClient(number);
  await raw.write(`${GET}${GET}`);
  await raw.until(/end[\s\S]*end/);
  raw.socket.destroy();
  session.destroy();
  await expect.poll(() => port.connections.http2).toBe(0);
  await expect.poll(() => port.inFlight).toBe(0);
  expect(signals).toHaveLength(23);
  expect(signals.filter((signal) => signal.aborted)).toEqual([]);
});

test('a response that is ended but cannot be delivered aborts', async () => {
  const { number, arrived, aborted } = await openHeld((_req, res) => {
    res.end(Buffer.alloc(50_000_000));
  });
  const raw = new RawClient(number);
  raw.socket.pause();
  await raw.write(GET);
  await arrived(1);
  raw.socket.destroy();
  await aborted(0);
});

test('connections that are kept alive collect no listeners', async () => {
  const counts = new Set<string>();
  const { url } = await openPort({
    handler: (req, res) => {
      clientGone(req, res, () => {});
      const socket = 'stream' in req ? req.stream.session?.socket : req.socket;
      counts.add(['close', 'error', 'end', 'finish'].map((event) => socket?.listenerCount(event)).join());
      res.end('ok');
    },
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  afterTest(() => agent.destroy());
  for (let i = 0; i < 50; i++) await get1(url, { agent });
  expect(counts.size).toBe(1);
  counts.clear();
  const session = connect2(url);
  await once(session, 'connect');
  for (let i = 0; i < 50; i++) await call2(session, { ':path': '/' });
  expect(counts.size).toBe(1);
});

test('pipelined requests leave no listeners either', async () => {
  const { number } = await openHeld((req, res) => {
    res.end(`${req.url} ${req.socket.listenerCount('close')};`);
  });
  const raw = new RawClient(number);
  await raw.write('GET /first HTTP/1.1\r\nhost: a\r\n\r\n');
  const [, first] = await raw.until(/\/first (\d+);/);
  await raw.write(GET.repeat(20));
  await raw.until(/(\/ \d+;[\s\S]*){20}/);
  await raw.write('GET /last HTTP/1.1\r\nhost: a\r\n\r\n');
  const [, last] = await raw.until(/\/last (\d+);/);
  expect(last).toBe(first);
});
