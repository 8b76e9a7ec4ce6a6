import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { readBody } from '../../src/server/body.ts';
import { createPort } from '../../src/server/port.ts';
import { HELLO, headers } from './support/frames.ts';
import { type Answer, afterTest, call2, connect2, get1, openPort, RawClient } from './support/harness.ts';

const read = (name: string) => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url));
const ONE = { cert: read('one-cert'), key: read('one-key') };
const TWO = { cert: read('two-cert'), key: read('two-key') };
const trustBoth = { ca: [ONE.cert, TWO.cert] };

const echo = {
  handler: (req: { httpVersion: string }, res: { end(text: string): unknown }) =>
    void res.end(`over ${req.httpVersion}`),
};

function get1s(url: string, options: https.RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    https
      .get(url, { ...trustBoth, ...options }, async (res) => {
        let text = '';
        for await (const chunk of res.setEncoding('utf8')) text += chunk;
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text });
      })
      .on('error', reject);
  });
}

/** A TLS connection after its handshake. */
async function handshake(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: '127.0.0.1', ...trustBoth, ...options });
  socket.on('error', () => {});
  afterTest(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

test('ALPN decides between HTTP/2 and HTTP/1.1', async () => {
  const { url, number } = await openPort({ ...echo, tls: ONE });
  const session = connect2(url, trustBoth);
  expect((await call2(session, { ':path': '/' })).text).toBe('over 2.0');
  expect(session.alpnProtocol).toBe('h2');
  expect((await get1s(url)).text).toBe('over 1.1');
  const one = await handshake(number, { ALPNProtocols: ['http/1.1'] });
  expect(one.alpnProtocol).toBe('http/1.1');
  const both = await handshake(number, { ALPNProtocols: ['http/1.1', 'h2'] });
  expect(both.alpnProtocol).toBe('h2');
});

test('a client that offers other protocols only is refused in the handshake', async () => {
  const { number } = await openPort({ ...echo, tls: ONE });
  await expect(handshake(number, { ALPNProtocols: ['spdy/3'] })).rejects.toThrow(/alert/i);
});

test('a new certificate serves new connections while old ones go on', async () => {
  const { url, number, port } = await openPort({ ...echo, tls: ONE });
  const session = connect2(url, trustBoth);
  await call2(session, { ':path': '/' });
  expect((await handshake(number)).getPeerCertificate().subject.CN).toBe('one.test');
  port.reloadTls(TWO);
  expect((await handshake(number)).getPeerCertificate().subject.CN).toBe('two.test');
  expect((await call2(session, { ':path': '/' })).text).toBe('over 2.0');
});

test('a wrong new certificate is refused and the old one kept', async () => {
  const { number, port } = await openPort({ ...echo, tls: ONE });
  expect(() => port.reloadTls({ cert: ONE.cert, key: TWO.key })).toThrow(/key values mismatch/i);
  expect(() => port.reloadTls({ cert: 'nonsense', key: TWO.key })).toThrow();
  expect((await handshake(number)).getPeerCertificate().subject.CN).toBe('one.test');
});

test('a port without TLS takes no certificate, and a wrong one opens no port', async () => {
  const { port } = await openPort(echo);
  expect(() => port.reloadTls(ONE)).toThrow(/without TLS/);
  expect(() => createPort({ ...echo, tls: { cert: ONE.cert, key: TWO.key } })).toThrow(/mismatch/i);
});

test('cleartext, garbage and silence on a TLS port harm nobody', async () => {
  const { url, number, port } = await openPort({ ...echo, tls: ONE, limits: { sniffTimeoutMs: 60 } });
  for (const bytes of ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', '\x00\xff\x00\xff', '']) {
    const client = new RawClient(number);
    await client.write(Buffer.from(bytes, 'latin1'));
    await client.closed;
    expect(client.text).not.toContain('over');
    expect(client.text).not.toContain('HTTP/1.1');
  }
  const reset = net.connect(number, '127.0.0.1');
  reset.on('error', () => {});
  await once(reset, 'connect');
  reset.resetAndDestroy();
  await expect.poll(() => port.connections.total).toBe(0);
  expect((await get1s(url)).status).toBe(200);
});

test('HTTP/1 timeouts hold over TLS', async () => {
  const { number } = await openPort({ ...echo, tls: ONE, limits: { headersTimeoutMs: 60 } });
  const socket = await handshake(number);
  let text = '';
  socket.on('data', (chunk) => (text += chunk));
  socket.write('GET / HTTP/1.1\r\nhost: a\r\nx-slow: ');
  await once(socket, 'close');
  expect(text).toMatch(/^HTTP\/1\.1 408 .*"invalid_request_error"/s);
});

test('a malformed HTTP/1 request over TLS is a 400', async () => {
  const { number } = await openPort({ ...echo, tls: ONE });
  const socket = await handshake(number);
  let text = '';
  socket.on('data', (chunk) => (text += chunk));
  socket.write('\x00\x00\x00');
  await once(socket, 'close');
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
});

test('a dead HTTP/2 client is found over TLS, a live one is not', async () => {
  const { url, number, port } = await openPort({
    tls: ONE,
    limits: { http2PingIntervalMs: 40, http2PingTimeoutMs: 40 },
    handler: () => {},
  });
  const live = connect2(url, trustBoth);
  live.request({ ':path': '/' }).on('error', () => {});
  const dead = await handshake(number, { ALPNProtocols: ['h2'] });
  dead.resume();
  dead.write(Buffer.concat([HELLO, headers(1, 'GET')]));
  await expect.poll(() => port.inFlight).toBe(2);
  await once(dead, 'close');
  await expect.poll(() => port.inFlight).toBe(1);
  expect(live.destroyed).toBe(false);
});

test('bodies arrive over TLS, and closing the port leaves no connection', async () => {
  const { url, port } = await openPort({
    tls: ONE,
    handler: async (req, res) => void res.end(String((await readBody(req, 1e7)).length)),
  });
  const session = connect2(url, trustBoth);
  const answer = await call2(session, { ':method': 'POST', ':path': '/' }, (stream) =>
    stream.end(Buffer.alloc(3_000_000)),
  );
  expect(answer.text).toBe('3000000');
  await port.close();
  expect(port.connections).toEqual({ total: 0, http2: 0 });
  await expect(get1(url.replace('https', 'http'))).rejects.toThrow('ECONNREFUSED');
});
