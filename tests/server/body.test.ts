import { execFile } from 'node:child_process';
import type http from 'node:http';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { BodyError, readBody } from '../../src/server/body.ts';
import type { Request, Response } from '../../src/server/port.ts';
import { type Answer, call2, connect2, deferred, get1, openPort, RawClient } from './support/harness.ts';

const LIMIT = 1_000_000;

/** What the last read came to. */
let outcomes: unknown[] = [];
afterEach(() => {
  outcomes = [];
});

/** Answers the size of the body, or what is wrong with it. */
async function measure(req: Request, res: Response): Promise<void> {
  try {
    const body = await readBody(req, LIMIT);
    outcomes.push(body);
    res.end(String(body.length));
  } catch (error) {
    outcomes.push(error);
    if (!(error instanceof BodyError) || error.problem === 'client_gone') return;
    res.statusCode = error.status;
    res.end(error.problem);
  }
}

interface Sent {
  body: Buffer;
  headers?: Record<string, string>;
  /** Without content-length. */
  chunked?: boolean;
}

const faces: [string, (url: string, sent: Sent) => Promise<Answer>][] = [
  [
    'HTTP/1',
    (url, { body, headers, chunked }) =>
      get1(
        url,
        { method: 'POST', headers: { ...headers, ...(chunked ? {} : { 'content-length': body.length }) } },
        (req) => {
          if (chunked) req.flushHeaders();
          req.end(body);
        },
      ),
  ],
  [
    'HTTP/2',
    (url, { body, headers, chunked }) =>
      call2(
        connect2(url),
        {
          ':method': 'POST',
          ':path': '/',
          ...headers,
          ...(chunked ? {} : { 'content-length': body.length }),
        },
        (stream) => stream.end(body),
      ),
  ],
];

test.each(faces)('%s: bodies up to the limit are read', async (_, post) => {
  const { url } = await openPort({ handler: measure });
  for (const size of [0, 1, 1000, 70_000, LIMIT]) {
    for (const chunked of [true, false]) {
      expect((await post(url, { body: Buffer.alloc(size, 'x'), chunked })).text).toBe(String(size));
    }
  }
});

test.each(faces)('%s: the body is what was sent', async (_, post) => {
  const { url } = await openPort({ handler: measure });
  const body = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  await post(url, { body, chunked: true });
  expect(body.equals(outcomes[0] as Buffer)).toBe(true);
});

test('a body of one chunk is not copied', async () => {
  const chunks: Buffer[] = [];
  const { url } = await openPort({
    handler: (req, res) => {
      ('stream' in req ? req.stream : req).on('data', (chunk: Buffer) => chunks.push(chunk));
      return measure(req, res);
    },
  });
  for (const [, post] of faces) await post(url, { body: Buffer.from('hello') });
  expect(outcomes[0]).toBe(chunks[0]);
  expect(outcomes[1]).toBe(chunks[1]);
});

test('a request without a body has an empty one', async () => {
  const { url } = await openPort({ handler: measure });
  expect((await get1(url)).text).toBe('0');
  expect((await call2(connect2(url), { ':path': '/' })).text).toBe('0');
});

test.each(faces)('%s: a body over the limit is too large, declared or not', async (_, post) => {
  const { url, port } = await openPort({ handler: measure });
  for (const chunked of [true, false]) {
    const answer = await post(url, { body: Buffer.alloc(LIMIT + 1), chunked });
    expect([answer.status, answer.text]).toEqual([413, 'too_large']);
  }
  await expect.poll(() => port.inFlight).toBe(0);
});

test('a declared size over the limit is refused before any of it came', async () => {
  const { number } = await openPort({ handler: measure });
  const client = new RawClient(number);
  await client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000001\r\n\r\n');
  await client.until(/413[\s\S]*too_large/);
});

/** Writes 50 MB as fast as the connection takes them. */
function pour(sink: http.ClientRequest | { write(chunk: Buffer): boolean; end(): unknown }): void {
  const chunk = Buffer.alloc(64 * 1024);
  let left = 50_000_000;
  const more = () => {
    while (left > 0) {
      left -= chunk.length;
      if (!sink.write(chunk)) return;
    }
    sink.end();
  };
  (sink as http.ClientRequest).on('drain', more);
  more();
}

test.each([
  ['kept alive, chunked', {}],
  ['kept alive, declared', { 'content-length': String(64 * 1024 * 763) }],
  ['to be closed, chunked', { connection: 'close' }],
  ['to be closed, declared', { connection: 'close', 'content-length': String(64 * 1024 * 763) }],
])('an HTTP/1 client that sends 50 MB receives the 413 (%s)', async (_, headers) => {
  const { url, port } = await openPort({ handler: measure });
  const answer = await get1(url, { method: 'POST', headers, agent: false }, pour);
  expect([answer.status, answer.text]).toEqual([413, 'too_large']);
  await expect.poll(() => port.connections.total, { timeout: 5_000 }).toBe(0);
});

test('an HTTP/1 client that reads only after it sent 50 MB receives the 413, and may send on', async () => {
  const { number } = await openPort({ handler: measure });
  const client = new RawClient(number);
  client.socket.pause();
  const size = 50_000_000;
  await client.write(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${size}\r\n\r\n`);
  await client.write(Buffer.alloc(size));
  client.socket.resume();
  await client.until(/413[\s\S]*too_large/);
  await client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi');
  await client.until(/200 OK[\s\S]*2$/);
});

test('an HTTP/2 client that sends 50 MB receives the 413', async () => {
  const { url } = await openPort({ handler: measure });
  const session = connect2(url);
  const answer = await call2(session, { ':method': 'POST', ':path': '/' }, pour);
  expect([answer.status, answer.text, answer.code]).toEqual([413, 'too_large', 0]);
  expect((await call2(session, { ':path': '/' })).text).toBe('0');
});

test('an HTTP/2 client that goes on sending after its answer is stopped', async () => {
  const { url, port } = await openPort({ handler: measure });
  const session = connect2(url);
  const answer = await call2(session, { ':method': 'POST', ':path': '/' }, (stream) => {
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(64 * 1024)));
    };
    stream.on('drain', more);
    more();
  });
  expect([answer.status, answer.text, answer.code]).toEqual([413, 'too_large', 0]);
  await expect.poll(() => port.inFlight).toBe(0);
  expect((await call2(session, { ':path': '/' })).text).toBe('0');
});

test('fetch and curl receive the 413', async () => {
  const { url } = await openPort({ handler: measure });
  const body = Buffer.alloc(50_000_000);
  expect((await fetch(url, { method: 'POST', body })).status).toBe(413);
  const run = promisify(execFile);
  const hasCurl = await run('curl', ['--version']).catch(() => false);
  if (!hasCurl) return;
  for (const flag of ['--http1.1', '--http2-prior-knowledge', '--http2-prior-knowledge']) {
    const curl = run('curl', ['-sS', flag, '-w', '%{http_code}', '--data-binary', '@-', url]);
    curl.child.stdin?.on('error', () => {});
    curl.child.stdin?.end(body);
    expect((await curl).stdout).toBe('too_large413');
  }
});

test('a client that leaves in the middle is told from one that sent it all', async () => {
  const { number, url, port } = await openPort({ handler: measure });
  const client = new RawClient(number);
  await client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf');
  await expect.poll(() => port.inFlight).toBe(1);
  client.socket.destroy();
  await expect.poll(() => outcomes[0]).toMatchObject({ problem: 'client_gone' });

  const session = connect2(url);
  const sent = deferred();
  session
    .request({ ':method': 'POST', ':path': '/' }, { endStream: false })
    .on('error', () => {})
    .write('half', () => sent.resolve());
  await sent.promise;
  await expect.poll(() => port.inFlight).toBe(1);
  session.destroy();
  await expect.poll(() => outcomes[1]).toMatchObject({ problem: 'client_gone' });
});

test('a client that has left before the reading is noticed', async () => {
  const { number } = await openPort({
    handler: async (req, res) => {
      req.socket.destroy();
      await new Promise((resolve) => req.once('close', resolve));
      await measure(req, res);
    },
  });
  const client = new RawClient(number);
  await client.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf');
  await client.closed;
  await expect.poll(() => outcomes[0]).toMatchObject({ problem: 'client_gone' });
});

test.each(faces)('%s: a signal stops the reading, with its reason', async (_, post) => {
  const reason = new Error('too late');
  const { url } = await openPort({
    handler: async (req, res) => {
      const controller = new AbortController();
      if (req.headers['x-before']) controller.abort(reason);
      const body = readBody(req, LIMIT, controller.signal);
      controller.abort(reason);
      await body.catch((error) => outcomes.push(error));
      res.end('answered');
    },
  });
  expect((await post(url, { body: Buffer.from('x') })).text).toBe('answered');
  expect((await post(url, { body: Buffer.from('x'), headers: { 'x-before': '1' } })).text).toBe('answered');
  expect(outcomes).toEqual([reason, reason]);
});

const text = Buffer.from('gateway '.repeat(1000));
const codings: [string, Buffer][] = [
  ['identity', text],
  ['gzip', zlib.gzipSync(text)],
  ['x-gzip', zlib.gzipSync(text)],
  ['GZIP', zlib.gzipSync(text)],
  ['br', zlib.brotliCompressSync(text)],
  ['zstd', zlib.zstdCompressSync(text)],
  ['deflate', zlib.deflateSync(text)],
  ['deflate', zlib.deflateRawSync(text)],
];

test.each(codings)('%s is decompressed', async (coding, body) => {
  const { url } = await openPort({ handler: measure });
  for (const [, post] of faces) {
    const answer = await post(url, { body, headers: { 'content-encoding': coding } });
    expect(answer.text).toBe(String(text.length));
  }
  expect(outcomes.map(String)).toEqual([String(text), String(text)]);
});

const bomb = Buffer.alloc(100_000_000);
test.each<[string, Buffer]>([
  ['gzip', zlib.gzipSync(bomb)],
  ['br', zlib.brotliCompressSync(bomb, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ['zstd', zlib.zstdCompressSync(bomb)],
  ['deflate', zlib.deflateSync(bomb)],
])('a %s body that grows over the limit is too large', async (coding, body) => {
  expect(body.length).toBeLessThan(LIMIT);
  const { url } = await openPort({ handler: measure });
  const before = process.memoryUsage().arrayBuffers;
  const answer = await faces[0]![1](url, { body, headers: { 'content-encoding': coding } });
  expect([answer.status, answer.text]).toEqual([413, 'too_large']);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * LIMIT);
});

test('the limit binds the decompressed size exactly', async () => {
  const { url } = await openPort({ handler: measure });
  for (const [size, status] of [
    [LIMIT, 200],
    [LIMIT + 1, 413],
  ] as const) {
    const body = zlib.gzipSync(Buffer.alloc(size));
    const answer = await faces[0]![1](url, { body, headers: { 'content-encoding': 'gzip' } });
    expect(answer.status).toBe(status);
  }
});

test.each(['compress', 'gzip, br', 'utf-8', ','])('content-encoding %s is not supported', async (coding) => {
  const { url } = await openPort({ handler: measure });
  for (const [, post] of faces) {
    const answer = await post(url, { body: text, headers: { 'content-encoding': coding } });
    expect([answer.status, answer.text]).toEqual([415, 'unsupported_encoding']);
  }
});

test.each<[string, string, Buffer]>([
  ['plain text', 'gzip', text],
  ['plain text', 'br', text],
  ['plain text', 'zstd', text],
  ['plain text', 'deflate', text],
  ['half of it', 'gzip', zlib.gzipSync(text).subarray(0, 30)],
])('%s sent as %s is a bad request', async (_, coding, body) => {
  const { url } = await openPort({ handler: measure });
  const answer = await faces[0]![1](url, { body, headers: { 'content-encoding': coding } });
  expect([answer.status, answer.text]).toEqual([400, 'bad_encoding']);
});
