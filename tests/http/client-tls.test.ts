import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http2, { type Http2SecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createUpstreamClient, type UpstreamClient } from '../../src/http/client.ts';
import { post, rejection } from './support/upstream.ts';

/** A certificate for loopback, good for a day; `null` where there is no openssl to make one. */
function makeCertificate(): { key: Buffer; cert: Buffer } | null {
  const folder = mkdtempSync(path.join(tmpdir(), 'gateway-tls-'));
  const [key, cert] = [path.join(folder, 'key.pem'), path.join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
  ];
  try {
    execFileSync('openssl', [...args, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } catch {
    console.warn('skipped: no openssl to make a certificate with');
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const certificate = makeCertificate();

describe.skipIf(certificate === null)('over TLS', () => {
  let server: Http2SecureServer;
  let origin: string;
  let client: UpstreamClient;

  beforeAll(async () => {
    server = http2.createSecureServer({ ...certificate, allowHTTP1: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => client.destroy());
  afterAll(() => {
    server.close();
  });

  const nextRequest = async () =>
    (await once(server, 'request')) as [Http2ServerRequest, Http2ServerResponse];

  test('an unknown authority is a failure to connect', async () => {
    client = createUpstreamClient();
    const error = await rejection(client.send(post(origin)));
    expect(error).toMatchObject({ kind: 'connect', phase: 'connect' });
  });

  test.each([
    ['HTTP/1.1 by default', undefined, '1.1'],
    ['HTTP/2 when allowed', true, '2.0'],
  ])('%s', async (_name, allowH2, version) => {
    client = createUpstreamClient({
      ca: certificate!.cert,
      ...(allowH2 === undefined ? {} : { allowH2 }),
    });
    const sent = client.send(post(origin));
    const [request, response] = await nextRequest();
    expect(request.httpVersion).toBe(version);
    response.writeHead(200, { 'x-a': 'b' });
    response.write('one');
    const { headers, body } = await sent;
    expect(headers['x-a']).toBe('b');
    expect((await body.read())?.toString()).toBe('one');
    response.end('two');
    expect(await body.text()).toBe('two');

    const abort = new AbortController();
    const aborted = client.send(post(origin, { signal: abort.signal }));
    const [, second] = await nextRequest();
    second.writeHead(200);
    second.write('one');
    const reading = (await aborted).body;
    await reading.read();
    const closed = once(second, 'close');
    const failure = rejection(reading.read());
    abort.abort('left');
    expect(await failure).toBe('left');
    await closed;
  });
});
