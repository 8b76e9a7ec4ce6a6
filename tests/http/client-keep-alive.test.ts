import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createUpstreamClient } from '../../src/http/client.ts';
import { answered, post, rejection, startPair, turns } from './support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(async () => {
  vi.useRealTimers();
  await pair.stop();
});

test('requests one after the other share a connection', async () => {
  const { client, upstream } = pair;
  upstream.answerAll(({ socket }) => socket.write(answered('ok')));
  for (let i = 0; i < 5; i++) {
    expect(await (await client.send(post(upstream.origin))).body.text()).toBe('ok');
    await turns(5);
  }
  expect(upstream.connections()).toBe(1);
});

test('an upstream that closes after every answer harms no request', async () => {
  const { client, upstream } = pair;
  upstream.answerAll(({ socket }) => socket.end(answered('ok')));
  for (let i = 0; i < 100; i++) {
    expect(await (await client.send(post(upstream.origin))).body.text()).toBe('ok');
    // Each turn more is another moment at which the news of the closing may come.
    await turns(i % 4);
  }
});

test.each([
  ['just before the next request', (reset: () => void) => reset()],
  // undici looks at the connection once more, in the check phase of the event loop; ours comes just before.
  ['between the last look at it and the write', (reset: () => void) => void setImmediate(reset)],
])('an idle connection reset %s harms it not', async (_name, schedule) => {
  const { client, upstream } = pair;
  for (let i = 0; i < 30; i++) {
    const first = client.send(post(upstream.origin));
    const { socket } = await upstream.request();
    socket.write(answered('ok'));
    await (await first).body.text();
    await turns(3 + (i % 3));

    schedule(() => socket.resetAndDestroy());
    const next = client.send(post(upstream.origin, { body: 'next' }));
    const again = await upstream.request();
    expect(again.body).toBe('next');
    again.socket.write(answered('ok'));
    expect(await (await next).body.text()).toBe('ok');
    await turns(3);
  }
});

test('a request that was sent is not sent again by itself: the caller knows whether that is safe', async () => {
  const { client, upstream } = pair;
  const first = client.send(post(upstream.origin));
  (await upstream.request()).socket.write(answered('ok'));
  await (await first).body.text();
  await turns(5);
  const second = rejection(client.send(post(upstream.origin)));
  const request = await upstream.request();
  expect(request.nth).toBe(2);
  request.socket.end();
  expect(await second).toMatchObject({ kind: 'connect', phase: 'headers' });
  expect(upstream.connections()).toBe(1);
});

test.each([
  ['the default time', '', 4_000],
  ['the time the server names, less a second', 'keep-alive: timeout=20\r\n', 19_000],
])('an idle connection is closed after %s', async (_name, header, ms) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { client, upstream } = pair;
  const sent = client.send(post(upstream.origin));
  const { socket, gone } = await upstream.request();
  socket.write(`HTTP/1.1 200 OK\r\n${header}content-length: 2\r\n\r\nok`);
  await (await sent).body.text();
  await turns(10);
  vi.advanceTimersByTime(ms - 100);
  await turns(10);
  expect(socket.readyState).toBe('open');
  vi.advanceTimersByTime(200);
  await gone;
});

test('a connection that the upstream wants closed is not used again', async () => {
  const client = createUpstreamClient({ connections: 1 });
  const { upstream } = pair;
  upstream.answerAll(({ socket, nth }) =>
    socket.write(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n${nth}`),
  );
  for (let i = 0; i < 5; i++) {
    expect(await (await client.send(post(upstream.origin))).body.text()).toBe('1');
  }
  await client.close();
});
