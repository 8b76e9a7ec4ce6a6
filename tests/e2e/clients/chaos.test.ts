import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmulatedGateway, emulated, emulatedNames, startEmulated } from '../../support/emulator.ts';
import { callFace, type Face } from '../../support/faces.ts';

// An emulator of the providers that fails in its own ways: no failure is told as success, and none hangs.

let gateway: EmulatedGateway;
const text = 'One two three four five six seven eight nine ten.';

beforeAll(async () => {
  gateway = await startEmulated({ LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '2s' });
});
afterAll(() => gateway?.stop());

const faces: Face[] = ['REST', 'gRPC'];
const cases = faces.flatMap((face) => [false, true].map((stream) => [face, stream] as const));

describe.each(emulatedNames)('%s', (name) => {
  const model = emulated[name];

  test.each(cases)('answers on %s, streamed: %s', async (face, stream) => {
    gateway.mock.reset();
    gateway.mock.onMessage(/.*/, { content: text });
    const outcome = await callFace(face, gateway.url, model, { stream });
    expect(outcome).toMatchObject({ text, complete: true, failure: null });
  });

  describe.each([
    ['dropped requests', { dropRate: 1 }],
    ['malformed bodies', { malformedRate: 1 }],
    ['cut connections', { disconnectRate: 1 }],
    ['rate limits', { rateLimitRate: 1 }],
  ] as const)('%s', (kind, chaos) => {
    test.each(cases)('are failures on %s, streamed: %s', async (face, stream) => {
      gateway.mock.reset();
      gateway.mock.onMessage(/.*/, { content: text });
      gateway.mock.setChaos(chaos);
      try {
        const outcome = await callFace(face, gateway.url, model, { stream });
        expect(outcome.complete).toBe(false);
        expect(outcome.failure).not.toBeNull();
        if (kind === 'rate limits') expect(outcome.failure?.reason).toMatch(/rate_limit/);
      } finally {
        gateway.mock.clearChaos();
      }
    });
  });

  test.each(faces)('a stream that breaks off in the middle is a failure on %s', async (face) => {
    gateway.mock.reset();
    gateway.mock.onMessage(/.*/, { content: text }, { truncateAfterChunks: 3, chunkSize: 4 });
    const outcome = await callFace(face, gateway.url, model, { stream: true });
    expect(outcome.complete).toBe(false);
    expect(outcome.failure?.status).not.toBe('client');
    expect(outcome.failure).not.toBeNull();
  });

  test.each([401, 403, 404, 429, 500, 503, 529])(
    'status %i comes through as what it means',
    async (status) => {
      gateway.mock.reset();
      gateway.mock.onMessage(/.*/, { error: { message: 'It went wrong', type: 'some_error' }, status });
      const outcome = await callFace('REST', gateway.url, model, { stream: false });
      const told: Record<number, number> = { 401: 502, 403: 502, 500: 502, 529: 503 };
      expect(outcome.failure?.status).toBe(told[status] ?? status);
    },
  );
});
