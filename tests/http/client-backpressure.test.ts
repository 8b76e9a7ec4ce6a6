import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atRest, post, startPair } from './support/upstream.ts';

const MB = 1_000_000;
const TOTAL = 100 * MB;

let pair: Awaited<ReturnType<typeof startPair>>;
beforeEach(async () => {
  pair = await startPair();
});
afterEach(() => pair.stop());

/** Writes as fast as the reader allows, and counts what was taken. */
function pour(socket: Socket, total: number): () => number {
  const piece = Buffer.alloc(50_000, 'x');
  let poured = 0;
  const run = async () => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
    for (; poured < total && !socket.destroyed; poured += piece.length) {
      if (!socket.write(piece)) await once(socket, 'drain').catch(() => {});
    }
  };
  void run();
  return () => poured;
}

test('an unread body pauses the upstream, in bounded memory; reading goes on where it stopped', async () => {
  const { client, upstream } = pair;
  const before = process.memoryUsage();
  const sent = client.send(post(upstream.origin));
  const poured = pour((await upstream.request()).socket, TOTAL);
  const { body } = await sent;

  // What rests in the kernel's socket buffers counts as taken.
  const resting = await atRest(poured);
  expect(resting).toBeLessThan(20 * MB);
  const { external, arrayBuffers } = process.memoryUsage();
  expect(external + arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(20 * MB);

  let read = 0;
  let largest = 0;
  for (;;) {
    const bytes = await body.read();
    if (bytes === null) break;
    read += bytes.length;
    largest = Math.max(largest, bytes.length);
    if (read < 2 * MB && read % 5 === 0) await atRest(poured);
  }
  expect(read).toBe(TOTAL);
  expect(largest).toBeLessThan(300_000);
});

test('a reader that stops in the middle stops the upstream again', async () => {
  const { client, upstream } = pair;
  const sent = client.send(post(upstream.origin));
  const poured = pour((await upstream.request()).socket, TOTAL);
  const { body } = await sent;
  let read = 0;
  while (read < 50 * MB) read += (await body.read())?.length ?? 0;
  const resting = await atRest(poured);
  expect(resting - read).toBeLessThan(20 * MB);
  body.cancel();
});

test('a paused body can be cancelled and collected', async () => {
  const { client, upstream } = pair;
  for (const act of ['cancel', 'collect'] as const) {
    const sent = client.send(post(upstream.origin));
    const { socket, gone } = await upstream.request();
    const poured = pour(socket, 30 * MB);
    const { body } = await sent;
    await atRest(poured);
    if (act === 'collect') {
      expect(await body.bytes()).toHaveLength(30 * MB);
    } else {
      body.cancel();
      await gone;
    }
  }
});

test('an upstream that dies while it is paused: first all that came, then the error', async () => {
  const { client, upstream } = pair;
  const sent = client.send(post(upstream.origin));
  const { socket } = await upstream.request();
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${MB}\r\n\r\n`);
  socket.end(Buffer.alloc(500_000, 'x'));
  const { body } = await sent;
  let read = 0;
  const drain = async () => {
    for (;;) read += (await body.read())?.length ?? 0;
  };
  await atRest(() => socket.bytesWritten);
  await expect(drain()).rejects.toMatchObject({ kind: 'reset', phase: 'body' });
  expect(read).toBe(500_000);
});
