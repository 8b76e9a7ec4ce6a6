import { execFile } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readBody } from '../../src/server/body.ts';
import { createPort } from '../../src/server/port.ts';
import { afterTest, call2, connect2, get1, openPort, RawClient } from './support/harness.ts';

const ERROR = {
  error: {
    message: expect.any(String) as string,
    type: 'invalid_request_error',
    param: null,
    code: null,
  },
};

/** The one response a raw client received: its status and its JSON body. */
function only(client: RawClient): { status: number; body: unknown } {
  const [head, body] = client.text.split('\r\n\r\n') as [string, string];
  expect(head.toLowerCase()).toContain('\r\nconnection: close');
  expect(head).toMatch(/\r\nx-request-id: req_[\w-]{36}\r\n/);
  expect(head.toLowerCase()).toContain(`\r\ncontent-length: ${Buffer.byteLength(body)}`);
  return { status: Number(head.slice(9, 12)), body: JSON.parse(body) };
}

test('a connection serves many requests one after the other', async () => {
  const ports = new Set<number>();
  const { url } = await openPort({
    handler: (req, res) => {
      ports.add(req.socket.remotePort ?? 0);
      res.end('ok');
    },
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  afterTest(() => agent.destroy());
  for (let i = 0; i < 20; i++) expect((await get1(url, { agent })).text).toBe('ok');
  expect(ports.size).toBe(1);
});

test('pipelined requests are answered in order', async () => {
  const held: (() => void)[] = [];
  const { number, port } = await openPort({
    handler: (req, res) => {
      held.push(() => res.end(`answer ${req.url}`));
    },
  });
  const client = new RawClient(number);
  await client.write(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`).join(''));
  await expect.poll(() => held.length).toBe(3);
  expect(port.inFlight).toBe(3);
  for (const answer of held.reverse()) answer();
  await client.until(/answer \/1[\s\S]*answer \/2[\s\S]*answer \/3/);
  await expect.poll(() => port.inFlight).toBe(0);
});

test.each([
  ['a garbage first byte', '\x00\x01\x02\x03\r\n\r\n'],
  ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['a bad method', 'NONSENSE / HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['a bad version', 'GET / HTTP/9.9\r\nhost: a\r\n\r\n'],
  ['a header without name', 'GET / HTTP/1.1\r\n: x\r\n\r\n'],
  ['two lengths', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
  [
    'length and chunks',
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
  ],
])('%s is a 400', async (_, bytes) => {
  const { number, port, url } = await openPort({ handler: (_req, res) => void res.end() });
  const client = new RawClient(number);
  await client.write(Buffer.from(bytes, 'latin1'));
  await client.until(/\}\}$/);
  expect(only(client)).toEqual({ status: 400, body: ERROR });
  await client.closed;
  await expect.poll(() => port.connections.total).toBe(0);
  expect((await get1(url)).status).toBe(200);
});

test('an HTTP/1.1 request without Host is a 400', async () => {
  const { number } = await openPort({ handler: (_req, res) => void res.end('served') });
  const client = new RawClient(number);
  await client.write('GET / HTTP/1.1\r\n\r\n');
  const [head, body] = (await client.until(/^([\s\S]*)\r\n\r\n(\{.*\}\})$/)).slice(1) as [string, string];
  expect(head).toContain('400');
  expect(JSON.parse(body)).toEqual(ERROR);
  const old = new RawClient(number);
  await old.write('GET / HTTP/1.0\r\n\r\n');
  await old.until(/served$/);
});

test('headers that are too large are a 431', async () => {
  const { number, url } = await openPort({
    limits: { maxHeaderBytes: 20_000 },
    handler: (req, res) => void res.end(String(req.headers['x-big']?.length)),
  });
  expect((await get1(url, { headers: { 'x-big': 'x'.repeat(19_000) } })).text).toBe('19000');
  const client = new RawClient(number);
  await client.write(`GET / HTTP/1.1\r\nhost: a\r\nx-big: ${'x'.repeat(500_000)}\r\n\r\n`);
  await client.until(/\}\}$/);
  expect(only(client)).toEqual({ status: 431, body: ERROR });
});

test('headers that come too slowly are a 408', async () => {
  const { number } = await openPort({
    limits: { headersTimeoutMs: 60 },
    handler: (_req, res) => void res.end(),
  });
  const client = new RawClient(number);
  await client.write('GET / HTTP/1.1\r\nhost: a\r\nx-slow: ');
  await client.closed;
  expect(only(client)).toEqual({ status: 408, body: ERROR });
});

test('a body that comes too slowly is a 408', async () => {
  const { number, port } = await openPort({
    limits: { requestTimeoutMs: 60 },
    handler: async (req, res) => {
      await readBody(req, 1000).catch(() => {});
      res.end();
    },
  });
  const client = new RawClient(number);
  await client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nslow');
  await client.closed;
  expect(only(client)).toEqual({ status: 408, body: ERROR });
  await expect.poll(() => port.inFlight).toBe(0);
});

test('nonsense behind a response that has begun cuts the connection without a second answer', async () => {
  const { number, port } = await openPort({ handler: (_req, res) => void res.write('begun') });
  const client = new RawClient(number);
  await client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.until(/begun/);
  await client.write('\x00\x00\x00\r\n\r\n');
  await client.closed;
  expect(client.text).not.toContain('400');
  await expect.poll(() => port.inFlight).toBe(0);
});

test('an idle connection is closed after the keep-alive timeout', async () => {
  const { number } = await openPort({
    limits: { keepAliveTimeoutMs: 50 },
    handler: (_req, res) => void res.end('ok'),
  });
  const client = new RawClient(number);
  await client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.closed;
  expect(client.text).toContain('ok');
});

test('connections over the bound are closed on arrival', async () => {
  const { number, url } = await openPort({
    limits: { maxConnections: 1 },
    handler: (_req, res) => void res.end('ok'),
  });
  const first = new RawClient(number);
  await first.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await first.until(/ok/);
  await expect(get1(url, { agent: false })).rejects.toThrow();
});

test.each([
  [
    'throws',
    () => {
      throw new Error('oops');
    },
  ],
  [
    'rejects',
    async () => {
      await Promise.resolve();
      throw new Error('oops');
    },
  ],
])('a handler that %s answers 500 and is reported', async (_, handler) => {
  const errors: unknown[] = [];
  const { url } = await openPort({ handler, onError: (error) => errors.push(error) });
  for (const answer of [await get1(url), await call2(connect2(url), { ':path': '/' })]) {
    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text).error.type).toBe('server_error');
  }
  expect(errors.map(String)).toEqual(['Error: oops', 'Error: oops']);
});

test('a failed handler leaves no trace of the answer it had prepared, and none on one it has ended', async () => {
  const { url } = await openPort({
    handler: (req, res) => {
      res.setHeader('content-length', 3);
      if (req.url === '/ended') res.end('end');
      throw new Error('oops');
    },
    onError: () => {},
  });
  for (const ask of [
    (path: string) => get1(url + path),
    (path: string) => call2(connect2(url), { ':path': path }),
  ]) {
    expect(await ask('/ended')).toMatchObject({ status: 200, text: 'end' });
    const failed = await ask('/');
    expect([failed.status, JSON.parse(failed.text).error.type]).toEqual([500, 'server_error']);
  }
});

test('a handler that fails after its headers cuts the response off', async () => {
  const { url, port } = await openPort({
    handler: (_req, res) => {
      res.write('part');
      throw new Error('oops');
    },
    onError: () => {},
  });
  await expect(get1(url)).rejects.toThrow();
  expect((await call2(connect2(url), { ':path': '/' })).code).not.toBe(0);
  await expect.poll(() => port.inFlight).toBe(0);
});

test('a taken address is an error of listen', async () => {
  const { number } = await openPort({ handler: () => {} });
  const second = createPort({ handler: () => {} });
  await expect(second.listen({ port: number, host: '127.0.0.1' })).rejects.toThrow('EADDRINUSE');
});

const run = promisify(execFile);
const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
);

test.runIf(hasCurl).each([
  ['--http1.1', '1.1'],
  // curl asks for an upgrade to h2c, which may be ignored.
  ['--http2', '1.1'],
  ['--http2-prior-knowledge', '2.0'],
])('curl %s speaks HTTP/%s, with a body it asks leave to send', async (flag, version) => {
  const { url } = await openPort({
    handler: async (req, res) => {
      const body = await readBody(req, 10_000_000);
      res.end(`${req.httpVersion} ${body.length}`);
    },
  });
  const body = 'x'.repeat(2_000_000);
  const child = run('curl', ['-sS', flag, '-H', 'expect: 100-continue', '--data-binary', '@-', url]);
  child.child.stdin?.end(body);
  expect((await child).stdout).toBe(`${version} ${body.length}`);
});

test('a request line that names another version of HTTP is refused, and harms nobody', async () => {
  const { number, url } = await openPort({ handler: (_req, res) => void res.end('served') });
  const client = new RawClient(number);
  await client.write('GET / HTTP/2.0\r\nhost: a\r\n\r\n');
  await client.until(/^HTTP\/1\.1 (?:400|505) /);
  expect((await get1(url)).text).toBe('served');
});
