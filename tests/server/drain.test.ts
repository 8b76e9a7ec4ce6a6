import { once } from 'node:events';
import type http2 from 'node:http2';
import { expect, test } from 'vitest';
import type { PortOptions, Response } from '../../src/server/port.ts';
import { goneSignal } from './support/gone-signal.ts';
import { call2, connect2, get1, openPort, RawClient } from './support/harness.ts';

/** A port that answers `/held…` and `/health/watch` when told to, all else at once. */
async function openHeld(options: Partial<PortOptions> = {}) {
  const held: Response[] = [];
  const opened = await openPort({
    servedWhileDraining: (req) => req.url?.startsWith('/health') ?? false,
    ...options,
    handler: (req, res) => {
      if (!req.url?.startsWith('/held') && req.url !== '/health/watch') {
        res.end('served');
        return;
      }
      if (req.url !== '/held/silent') res.write('begun ');
      held.push(res);
    },
  });
  return { ...opened, held, arrived: (count: number) => expect.poll(() => held.length).toBe(count) };
}

const hold2 = (session: http2.ClientHttp2Session, path = '/held') => call2(session, { ':path': path });

test('open streams end well, new calls are refused, then all is closed', async () => {
  const { port, url, number, held, arrived } = await openHeld();
  const session = connect2(url);
  const over2 = hold2(session);
  const over1 = get1(`${url}/held`);
  await arrived(2);
  expect(port.draining).toBe(false);
  const drained = port.drain(10_000);
  expect(port.draining).toBe(true);
  expect(port.inFlight).toBe(2);

  const refused = await get1(url);
  expect(refused.status).toBe(503);
  expect(refused.headers.connection).toBe('close');
  expect(JSON.parse(refused.text).error.type).toBe('server_error');
  const fresh = connect2(url);
  expect((await call2(fresh, { ':path': '/' })).status).toBe(503);
  await once(fresh, 'close');

  for (const res of held) res.end('ended');
  expect(await over2).toMatchObject({ text: 'begun ended', code: 0 });
  expect((await over1).text).toBe('begun ended');
  expect(await drained).toEqual({ destroyed: 0 });
  expect(port.inFlight).toBe(0);
  expect(port.connections).toEqual({ total: 0, http2: 0 });
  await expect(get1(`http://127.0.0.1:${number}`)).rejects.toThrow('ECONNREFUSED');
});

test('sessions with open streams get GOAWAY at once and keep their streams, both ways', async () => {
  const { port, url } = await openPort({
    handler: (req, res) => {
      req.pipe(res as unknown as NodeJS.WritableStream);
    },
  });
  const session = connect2(url);
  const stream = session.request({ ':path': '/', ':method': 'POST' }, { endStream: false });
  stream.setEncoding('utf8').write('a');
  await once(stream, 'data');
  const goaway = once(session, 'goaway');
  const drained = port.drain(10_000);
  const [code, lastStream] = await goaway;
  expect([code, lastStream]).toEqual([0, stream.id]);
  const echo = once(stream, 'data');
  stream.end('b');
  expect(await echo).toEqual(['b']);
  await once(stream, 'close');
  expect(stream.rstCode).toBe(0);
  expect(await drained).toEqual({ destroyed: 0 });
});

test('idle connections are told to go, and do not hold the drain', async () => {
  const { port, url, number } = await openHeld();
  const session = connect2(url);
  await call2(session, { ':path': '/' });
  const idle = new RawClient(number);
  await idle.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await idle.until(/served/);
  const undecided = new RawClient(number);
  await undecided.write('PRI');
  const goaway = once(session, 'goaway');
  expect(await port.drain(10_000)).toEqual({ destroyed: 0 });
  await goaway;
  await idle.closed;
  await undecided.closed;
});

test('a kept-alive connection is answered with 503 and closed', async () => {
  const { port, number, url, held, arrived } = await openHeld();
  const client = new RawClient(number);
  await client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.until(/served/);
  const over1 = get1(`${url}/held`);
  await arrived(1);
  const drained = port.drain(10_000);
  await client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.closed;
  expect(client.text).toMatch(/HTTP\/1\.1 503 .*\r\nConnection: close\r\n/s);
  held[0]?.end();
  await Promise.all([over1, drained]);
});

test('an answer that begins after the drain carries connection: close', async () => {
  const { port, url, held, arrived } = await openHeld();
  const over1 = get1(`${url}/held/silent`);
  await arrived(1);
  const drained = port.drain(10_000);
  held[0]?.end('answer');
  expect((await over1).headers.connection).toBe('close');
  await drained;
});

test('a large request that is refused receives its refusal', async () => {
  const { port, url, held, arrived } = await openHeld();
  const over1 = get1(`${url}/held`);
  await arrived(1);
  const drained = port.drain(10_000);
  const body = Buffer.alloc(20_000_000);
  const refused1 = await get1(url, { method: 'POST', agent: false }, (req) => req.end(body));
  expect(refused1.status).toBe(503);
  const refused2 = await call2(connect2(url), { ':path': '/', ':method': 'POST' }, (stream) => {
    stream.write(Buffer.alloc(100_000));
  });
  expect([refused2.status, refused2.code]).toEqual([503, 0]);
  held[0]?.end();
  await Promise.all([over1, drained]);
});

test('health is served during a drain, and a watch of it does not hold the drain', async () => {
  const { port, url, held, arrived } = await openHeld();
  const watch = hold2(connect2(url), '/health/watch');
  const late = connect2(url);
  const over1 = get1(`${url}/held`);
  await arrived(2);
  const drained = port.drain(10_000);
  expect((await get1(`${url}/health`)).text).toBe('served');
  expect((await call2(connect2(url), { ':path': '/health' })).text).toBe('served');
  const lateWatch = call2(connect2(url), { ':path': '/health/watch' });
  await arrived(3);
  held.find((res) => res.req.url === '/held')?.end();
  await over1;
  expect(await drained).toEqual({ destroyed: 0 });
  await Promise.all([watch, lateWatch]);
  expect(late.destroyed).toBe(true);
});

test('what is left after the grace is cut and counted, and its handlers notice', async () => {
  const signals: AbortSignal[] = [];
  const { port, url } = await openPort({
    handler: (req, res) => {
      signals.push(goneSignal(req, res));
      res.write('begun');
    },
  });
  const over1 = get1(url).catch((error: Error) => error);
  const over2 = call2(connect2(url), { ':path': '/' });
  await expect.poll(() => signals.length).toBe(2);
  expect(await port.drain(30)).toEqual({ destroyed: 2 });
  expect(await over1).toBeInstanceOf(Error);
  expect((await over2).code).not.toBe(0);
  await expect.poll(() => signals.every((signal) => signal.aborted)).toBe(true);
  expect(port.connections.total).toBe(0);
});

test('refused calls without end do not prolong a drain', async () => {
  const { port, url, held, arrived } = await openHeld({ onDraining: (_req, res) => void res.write('wait') });
  const over1 = get1(`${url}/held`);
  await arrived(1);
  const drained = port.drain(10_000);
  const stuck = call2(connect2(url), { ':path': '/' });
  await expect.poll(() => port.inFlight).toBe(2);
  held[0]?.end();
  await over1;
  expect(await drained).toEqual({ destroyed: 0 });
  await stuck;
});

test('onDraining answers in its own way, trailers included', async () => {
  const { port, url, held, arrived } = await openHeld({
    onDraining: (_req, res) => {
      res.setHeader('content-type', 'application/grpc');
      res.addTrailers({ 'grpc-status': '14' });
      res.end('x');
    },
  });
  const over1 = get1(`${url}/held`);
  await arrived(1);
  const drained = port.drain(10_000);
  // A unary call has sent its message, a client stream goes on.
  for (const write of [
    (s: http2.ClientHttp2Stream) => s.end('m'),
    (s: http2.ClientHttp2Stream) => s.write('m'),
  ]) {
    const refused = await call2(connect2(url), { ':path': '/', ':method': 'POST' }, write);
    expect(refused.trailers['grpc-status']).toBe('14');
    expect(refused.code).toBe(0);
  }
  held[0]?.end();
  await Promise.all([over1, drained]);
});

test('a second drain is the first', async () => {
  const { port } = await openHeld();
  const first = port.drain(10_000);
  expect(port.drain(1)).toBe(first);
  expect(await first).toEqual({ destroyed: 0 });
});

test('close cuts everything at once, also during a drain', async () => {
  const { port, url, arrived } = await openHeld();
  const over1 = get1(`${url}/held`).catch((error: Error) => error);
  const over2 = hold2(connect2(url));
  await arrived(2);
  const drained = port.drain(60_000);
  await port.close();
  expect(await over1).toBeInstanceOf(Error);
  expect((await over2).code).not.toBe(0);
  await drained;
});
