import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunked, type ScriptedUpstream, STREAM_HEAD, startUpstream } from '../http/support/upstream.ts';
import { callFace, faces, isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const size = 10 * 1024 * 1024;
let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let asked = 0;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    const { stream, messages } = JSON.parse(body) as { stream?: boolean; messages: { content: string }[] };
    asked = messages[0]?.content.length ?? 0;
    const content = 'y'.repeat(size);
    const head = { id: 'c', created: 1, model: 'm' };
    if (stream) {
      const chunk = (delta: object, finish_reason: string | null = null) =>
        chunked(`data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
      const piece = content.slice(0, size / 10);
      socket.write(STREAM_HEAD + Array.from({ length: 10 }, () => chunk({ content: piece })).join(''));
      socket.write(`${chunk({}, 'stop')}${chunked('data: [DONE]\n\n')}0\r\n\r\n`);
      return;
    }
    const reply = JSON.stringify({
      ...head,
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    });
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${reply.length}\r\n\r\n${reply}`,
    );
  });
  gateway = await startGateway({ OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1` });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

describe.each(faces)('%s', (face) => {
  test.each([
    ['whole', false],
    ['streamed', true],
  ])('10 MB in and 10 MB out, %s', async (_kind, stream) => {
    const outcome = await callFace(face, gateway.url, 'openai/m', { stream, text: 'x'.repeat(size) });
    expect(outcome.failure).toBeNull();
    expect(outcome.complete).toBe(true);
    expect(outcome.text.length).toBe(size);
    expect(asked).toBe(size);
  });

  test('more than the limit is refused as such, and the next call is served', async () => {
    const small = await startGateway({ LLM_GATEWAY_MAX_BODY_BYTES: '1MiB' });
    for (let i = 0; i < 3; i++) {
      const text = 'x'.repeat(3 * 1024 * 1024);
      const { failure } = await callFace(face, small.url, 'fake/echo', { stream: i === 1, text });
      expect(failure?.status).toBe(isRest(face) ? 413 : 'ResourceExhausted');
      expect(await callFace(face, small.url, 'fake/echo', { stream: false })).toMatchObject({
        text: 'Hello',
      });
    }
    await small.stop();
  });
});
