import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunked, type ScriptedUpstream, STREAM_HEAD, startUpstream } from '../http/support/upstream.ts';
import { callFace, faces, isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const firstChunk = chunked(
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel' }, finish_reason: null }] })}\n\n`,
);
/** How soon an upstream has to learn that nobody waits, in milliseconds. */
const soon = 1_000;

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway({ OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1` });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

/** The gateway's log line of the call that ends next. */
async function nextCallLine(from: number): Promise<Record<string, unknown>> {
  for (;;) {
    const line = gateway.log.slice(from).find(({ message }) => message === 'call');
    if (line !== undefined) return line;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each(faces)('a client of %s that leaves', (face) => {
  test.each([
    { when: 'before the answer, whole', stream: false },
    { when: 'before the answer, streamed', stream: true },
  ])('$when', async ({ stream }) => {
    const from = gateway.log.length;
    const leave = new AbortController();
    const call = callFace(face, gateway.url, 'openai/m', { stream, signal: leave.signal });
    const request = await upstream.request();
    const left = performance.now();
    leave.abort();
    expect((await request.gone) - left).toBeLessThan(soon);
    expect((await call).complete).toBe(false);
    expect(await nextCallLine(from)).toMatchObject({ status: 'cancelled', attempts: 1 });
  });

  test('after the head, before the first token', async () => {
    const leave = new AbortController();
    const call = callFace(face, gateway.url, 'openai/m', { stream: true, signal: leave.signal });
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD);
    await new Promise((resolve) => setImmediate(resolve));
    const left = performance.now();
    leave.abort();
    expect((await request.gone) - left).toBeLessThan(soon);
    expect((await call).complete).toBe(false);
  });

  test('in the middle of the stream', async () => {
    const from = gateway.log.length;
    const leave = new AbortController();
    let seen = () => {};
    const text = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const call = callFace(face, gateway.url, 'openai/m', {
      stream: true,
      signal: leave.signal,
      onText: () => seen(),
    });
    const request = await upstream.request();
    request.socket.write(STREAM_HEAD + firstChunk);
    await text;
    const left = performance.now();
    leave.abort();
    expect((await request.gone) - left).toBeLessThan(soon);
    expect((await call).complete).toBe(false);
    expect(await nextCallLine(from)).toMatchObject({ status: 'cancelled' });
  });

  test('because its deadline has passed: the upstream is stopped, too', async () => {
    for (const stream of [false, true]) {
      const call = callFace(face, gateway.url, 'openai/m', { stream, timeoutMs: 150 });
      const request = await upstream.request();
      const { failure } = await call;
      const told = performance.now();
      expect((await request.gone) - told).toBeLessThan(soon);
      expect(failure).toMatchObject(
        isRest(face)
          ? { status: 504, reason: face === 'REST' ? 'deadline_exceeded' : 'timeout_error' }
          : { status: 'DeadlineExceeded' },
      );
    }
  });
});

test('a call that times out in the middle of a REST stream ends in an error', async () => {
  const call = callFace('REST', gateway.url, 'openai/m', { stream: true, timeoutMs: 200 });
  const request = await upstream.request();
  request.socket.write(STREAM_HEAD + firstChunk);
  expect(await call).toMatchObject({
    text: 'Hel',
    complete: false,
    failure: { reason: 'deadline_exceeded' },
  });
  await request.gone;
});

test('a slow reader pauses the upstream', async () => {
  const leave = new AbortController();
  const pending = fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'openai/m', stream: true, messages: [{ role: 'user', content: 'x' }] }),
    signal: leave.signal,
  });
  const request = await upstream.request();
  const big = chunked(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'x'.repeat(60_000) }, finish_reason: null }] })}\n\n`,
  );
  request.socket.write(STREAM_HEAD + firstChunk);
  await pending;
  let sent = 0;
  while (request.socket.write(big) || sent < 4) {
    sent++;
    if (sent > 2_000) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  // Whatever fits between the four sockets: far less than the 120 MB that were ready.
  expect(sent).toBeLessThan(2_000);
  leave.abort();
  await Promise.all([request.gone, pending.catch(() => null)]);
});
