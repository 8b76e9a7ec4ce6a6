import { expect, test } from 'vitest';
import { frameTypes, HELLO, headers } from './support/frames.ts';
import { call2, connect2, get1, openPort, RawClient } from './support/harness.ts';

const echo = {
  handler: (req: { httpVersion: string }, res: { end(text: string): unknown }) => {
    res.end(`over ${req.httpVersion}`);
  },
};

test('one port serves HTTP/1.1 and HTTP/2 with prior knowledge', async () => {
  const { url } = await openPort(echo);
  expect((await get1(url)).text).toBe('over 1.1');
  expect((await call2(connect2(url), { ':path': '/' })).text).toBe('over 2.0');
});

test('the HTTP/2 preface may be split at every byte', async () => {
  const { number } = await openPort(echo);
  const hello = Buffer.concat([HELLO, headers(1, 'GET')]);
  await Promise.all(
    Array.from({ length: hello.length - 1 }, async (_, cut) => {
      const client = new RawClient(number);
      await client.write(hello.subarray(0, cut + 1));
      await client.write(hello.subarray(cut + 1));
      await client.until(/over 2\.0/);
    }),
  );
});

test('the HTTP/2 preface may come byte by byte', async () => {
  const { number } = await openPort(echo);
  const client = new RawClient(number);
  for (const byte of Buffer.concat([HELLO, headers(1, 'GET')])) {
    await client.write(Buffer.from([byte]));
    // A turn of the event loop, so that the server may see them apart.
    await new Promise(setImmediate);
  }
  await client.until(/over 2\.0/);
  expect(frameTypes(client.received)).toContain(4);
});

test('an HTTP/1 request may be split at every byte', async () => {
  const { number } = await openPort(echo);
  const request = 'PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi';
  await Promise.all(
    Array.from({ length: request.length - 1 }, async (_, cut) => {
      const client = new RawClient(number);
      await client.write(request.slice(0, cut + 1));
      await client.write(request.slice(cut + 1));
      await client.until(/over 1\.1/);
    }),
  );
});

test('what only begins like the HTTP/2 preface is refused as HTTP/1', async () => {
  const { number } = await openPort(echo);
  for (const start of [
    'PRI * HTTP/2.0\r\n\r\nSX',
    'PRI * HTTP/1.1\r\nhost: a\r\n\r\n',
    'PR / HTTP/1.1\r\n\r\n',
  ]) {
    const client = new RawClient(number);
    await client.write(start);
    await client.closed;
    expect(client.text).not.toContain('over');
  }
});

test.each([
  ['nothing', ''],
  ['part of the preface', 'PRI * HT'],
])('a client that sends %s and waits is disconnected', async (_, start) => {
  const { number, port } = await openPort({ ...echo, limits: { sniffTimeoutMs: 50 } });
  const client = new RawClient(number);
  await client.write(start);
  await client.closed;
  expect(client.text).toBe('');
  await expect.poll(() => port.connections.total).toBe(0);
});

test('a client that leaves before it said anything leaves nothing behind', async () => {
  const { number, port } = await openPort(echo);
  for (const start of ['', 'PRI']) {
    const client = new RawClient(number);
    await client.write(start);
    client.socket.end();
    await client.closed;
  }
  await expect.poll(() => port.connections.total).toBe(0);
});

test('a connection reset while undecided harms nobody', async () => {
  const { number, url, port } = await openPort(echo);
  const client = new RawClient(number);
  await client.write('PR');
  await expect.poll(() => port.connections.total).toBe(1);
  client.socket.resetAndDestroy();
  await expect.poll(() => port.connections.total).toBe(0);
  expect((await get1(url)).status).toBe(200);
});
