import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  answered,
  chunked,
  post,
  type ReceivedRequest,
  rejection,
  STREAM_HEAD,
  startPair,
  turns,
} from './support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(() => pair.stop());

const reason = { code: 'client_left' };

async function goneWithinASecond(request: ReceivedRequest, since: number): Promise<void> {
  expect((await request.gone) - since).toBeLessThan(1_000);
}

describe('aborting the signal rejects with its reason and closes the connection', () => {
  test('before the request is sent: nothing leaves', async () => {
    const { client, upstream } = pair;
    expect(await rejection(client.send(post(upstream.origin, { signal: AbortSignal.abort(reason) })))).toBe(
      reason,
    );
    expect(upstream.connections()).toBe(0);
  });

  test('while connecting: the request is never sent', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const sent = rejection(client.send(post(upstream.origin, { signal: abort.signal, body: 'never' })));
    abort.abort(reason);
    expect(await sent).toBe(reason);
    const next = client.send(post(upstream.origin, { body: 'next' }));
    const request = await upstream.request();
    expect(request.body).toBe('next');
    request.socket.write(answered('ok'));
    await (await next).body.text();
  });

  test('before the head', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const sent = rejection(client.send(post(upstream.origin, { signal: abort.signal })));
    const request = await upstream.request();
    const since = performance.now();
    abort.abort(reason);
    expect(await sent).toBe(reason);
    await goneWithinASecond(request, since);
    expect(upstream.connections()).toBe(1);
  });

  test('before the first byte', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const sent = client.send(post(upstream.origin, { signal: abort.signal }));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD);
    const reading = rejection((await sent).body.read());
    const since = performance.now();
    abort.abort(reason);
    expect(await reading).toBe(reason);
    await goneWithinASecond(request, since);
  });

  test('in the middle, with bytes unread: they are dropped', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const sent = client.send(post(upstream.origin, { signal: abort.signal }));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD + chunked('a'));
    const { body } = await sent;
    await body.read();
    request.socket.write(chunked('b'));
    await turns(20);
    const since = performance.now();
    abort.abort(reason);
    expect(await rejection(body.read())).toBe(reason);
    await goneWithinASecond(request, since);
  });

  test('in the middle, while the upstream is paused', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const sent = client.send(post(upstream.origin, { signal: abort.signal }));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD + chunked('x'.repeat(500_000)));
    const { body } = await sent;
    await turns(50);
    const since = performance.now();
    abort.abort(reason);
    expect(await rejection(body.text())).toBe(reason);
    await goneWithinASecond(request, since);
  });

  test('while the body of the request is still on its way', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    const connection = upstream.connection();
    const body = Buffer.alloc(50_000_000, 'x');
    const sent = rejection(client.send(post(upstream.origin, { signal: abort.signal, body })));
    const socket = await connection;
    socket.pause();
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await turns(20);
    abort.abort(reason);
    expect(await sent).toBe(reason);
    socket.resume();
    await closed;
  });

  test('after the end it has no effect, and leaves the connection to others', async () => {
    const { client, upstream } = pair;
    const abort = new AbortController();
    for (const n of [1, 2]) {
      const sent = client.send(post(upstream.origin, { signal: n === 1 ? abort.signal : null }));
      const request = await upstream.request();
      expect(request.nth).toBe(n);
      if (n === 2) abort.abort(reason);
      request.socket.write(answered('ok'));
      expect(await (await sent).body.text()).toBe('ok');
      await turns(5);
    }
  });
});

describe('cancelling a body', () => {
  test('closes the connection and rejects the pending read', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD + chunked('a'));
    const { body } = await sent;
    await body.read();
    const reading = rejection(body.read());
    const since = performance.now();
    body.cancel();
    body.cancel();
    expect(await reading).toMatchObject({ kind: 'aborted', phase: 'body' });
    await goneWithinASecond(request, since);
  });

  test('after the end drops what is unread and keeps the connection', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const first = await upstream.request();
    first.socket.write(answered('unread'));
    const { body } = await sent;
    await turns(20);
    body.cancel();
    expect(await body.read()).toBeNull();
    const next = client.send(post(upstream.origin));
    const second = await upstream.request();
    expect(second.nth).toBe(2);
    second.socket.write(answered('ok'));
    await (await next).body.text();
  });
});

test('giving up while waiting for a connection does not close the one it would have got', async () => {
  const { upstream, client, stop } = await startPair({ connections: 1 });
  const busy = client.send(post(upstream.origin));
  const first = await upstream.request();
  const abort = new AbortController();
  const given = Array.from({ length: 20 }, () =>
    rejection(client.send(post(upstream.origin, { signal: abort.signal, body: 'never' }))),
  );
  const waiting = client.send(post(upstream.origin, { body: 'second' }));
  abort.abort(reason);
  expect(await Promise.all(given)).toEqual(Array.from({ length: 20 }, () => reason));
  first.socket.write(answered('ok'));
  await (await busy).body.text();
  const second = await upstream.request();
  expect([second.body, second.nth]).toEqual(['second', 2]);
  second.socket.write(answered('ok'));
  await (await waiting).body.text();
  await stop();
});
