import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createUpstreamClient } from '../../src/http/client.ts';
import {
  answered,
  post,
  rejection,
  type ScriptedUpstream,
  STREAM_HEAD,
  startPair,
  startUpstream,
} from './support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(() => pair.stop());

describe('the bounds of the client', () => {
  test('requests beyond connections wait, beyond maxWaiting fail at once', async () => {
    const { upstream } = pair;
    const client = createUpstreamClient({ connections: 2, maxWaiting: 1 });
    const sent = [1, 2, 3].map((n) => client.send(post(upstream.origin, { body: `${n}` })));
    expect(await rejection(client.send(post(upstream.origin)))).toMatchObject({
      kind: 'overloaded',
      phase: 'connect',
    });
    const first = await upstream.request();
    await upstream.request();
    expect(upstream.connections()).toBe(2);
    expect(client.stats()).toEqual({ [upstream.origin]: { connected: 2, running: 2, waiting: 1 } });

    first.socket.write(answered('done'));
    expect(await (await sent[Number(first.body) - 1])?.body.text()).toBe('done');
    expect((await upstream.request()).body).toBe('3');
    expect(upstream.connections()).toBe(2);
    const ended = sent.map((promise) => promise.catch(() => {}));
    await client.destroy();
    await Promise.all(ended);
  });

  test('an idle origin makes room for another, a busy one does not', async () => {
    const others: ScriptedUpstream[] = await Promise.all([startUpstream(), startUpstream()]);
    const client = createUpstreamClient({ maxOrigins: 2 });
    const [a, b, c] = [pair.upstream, ...others] as [ScriptedUpstream, ScriptedUpstream, ScriptedUpstream];
    const busy = client.send(post(a.origin));
    const request = await a.request();
    b.answerAll(({ socket }) => socket.write(answered('b')));
    c.answerAll(({ socket }) => socket.write(answered('c')));
    expect(await (await client.send(post(b.origin))).body.text()).toBe('b');
    expect(await (await client.send(post(c.origin))).body.text()).toBe('c');
    expect(Object.keys(client.stats())).toEqual([a.origin, c.origin]);
    b.answerAll(() => {});
    const alsoBusy = rejection(client.send(post(b.origin)));
    expect(await rejection(client.send(post(c.origin)))).toMatchObject({ kind: 'overloaded' });

    request.socket.write(answered('a'));
    expect(await (await busy).body.text()).toBe('a');
    await client.destroy();
    await alsoBusy;
    for (const other of others) other.close();
  });

  test('an invalid request fails alone and costs no connection', async () => {
    const { upstream } = pair;
    const client = createUpstreamClient({ connections: 1 });
    upstream.answerAll(({ socket }) => socket.write(answered('fine')));
    expect(await (await client.send(post(upstream.origin))).body.text()).toBe('fine');
    const invalid = [
      { headers: { 'x-bad': 'a\r\nb: c' } },
      { headers: { 'transfer-encoding': 'chunked' } },
      { headers: { 'content-length': '7' } },
      { path: 'no-slash' },
      { path: '/a b' },
      { method: 'NO WAY' },
    ];
    for (const changes of invalid) {
      const error = await rejection(client.send(post(upstream.origin, changes)));
      expect(error, JSON.stringify(changes)).toMatchObject({ kind: 'protocol', phase: 'connect' });
      expect(await (await client.send(post(upstream.origin))).body.text()).toBe('fine');
    }
    for (const origin of ['', 'nonsense', 'ftp://x', 'http://x/path']) {
      expect(await rejection(client.send(post(origin)))).toMatchObject({
        kind: 'protocol',
        phase: 'connect',
      });
    }
    await client.close();
  });

  test('close lets running requests end and refuses new ones', async () => {
    const { client, upstream } = pair;
    const sent = client.send(post(upstream.origin));
    const request = await upstream.request();
    const closed = client.close();
    expect(await rejection(client.send(post(upstream.origin)))).toMatchObject({ kind: 'aborted' });
    request.socket.write(answered('last'));
    expect(await (await sent).body.text()).toBe('last');
    await closed;
  });

  test('destroy fails running requests, with and without a head', async () => {
    const { client, upstream } = pair;
    const withoutHead = client.send(post(upstream.origin));
    await upstream.request();
    const sent = client.send(post(upstream.origin));
    (await upstream.request()).socket.write(STREAM_HEAD);
    const { body } = await sent;
    const failures = Promise.all([rejection(withoutHead), rejection(body.read())]);
    await client.destroy();
    for (const error of await failures) expect(error).toMatchObject({ kind: 'aborted' });
  });
});
