import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Asking, askOn } from '../support/context.ts';
import { type Face, faces, isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';
import { until } from '../support/redis.ts';
import { sessionsAt } from '../support/sessions.ts';

// A model with room for 1,000 tokens, of which a text of so many characters has a quarter and 4.
const limit = 1_000;
const textOf = (tokens: number): string => 'x'.repeat((tokens - 4) * 4);
const unavailable = (face: Face): string =>
  face === 'REST'
    ? '503 dependency_unavailable'
    : isRest(face)
      ? '503 api_error'
      : 'Unavailable DEPENDENCY_UNAVAILABLE';

let folder: string;
let cms: JsonServer;
const gateways: RunningGateway[] = [];
async function start(env: Record<string, string> = {}): Promise<string> {
  const gateway = await startGateway({ LLM_GATEWAY_CONFIG: path.join(folder, 'gateway.yaml'), ...env });
  gateways.push(gateway);
  return gateway.url;
}
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'context-'));
  const models = `models:\n  - { id: fake/echo, provider: fake, context_window: ${limit} }\n`;
  writeFileSync(path.join(folder, 'gateway.yaml'), models);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  cms = await startJsonServer({ '/health': () => ({ status: 'healthy' }) });
});
afterEach(async () => {
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
  cms.close();
});
const asked = (path: string) => cms.got.filter((got) => got.path === path);
const fails = (status: number) => (_got: unknown, response: Parameters<typeof send>[0]) =>
  void send(response, status, { detail: 'no' });

const modes = [undefined, 'none', 'VALIDATE', 'Optimize', ' plan', 'auto', 'bogus'];
const prompts = [
  { tokens: 5, tier: 1, headroom: 99 },
  { tokens: 249, tier: 1, headroom: 75 },
  { tokens: 250, tier: 2, headroom: 75 },
  { tokens: 499, tier: 2, headroom: 50 },
  { tokens: 500, tier: 3, headroom: 50 },
  { tokens: 749, tier: 3, headroom: 25 },
  { tokens: 750, tier: 4, headroom: 25 },
  { tokens: 1_000, tier: 4, headroom: 0 },
  { tokens: 1_300, tier: 4, headroom: 0 },
];

/** Whether the service can be had, what the gateway is told of it, and whether long prompts go on. */
const situations = [
  ['there', { url: true }, 200, true],
  ['away', { url: true }, 500, false],
  ['away and not needed', { url: true, LLM_GATEWAY_CMS_ENABLED: 'false' }, 500, true],
  ['not configured', {}, 500, true],
  ['needed and not configured', { LLM_GATEWAY_CMS_ENABLED: 'true' }, 500, false],
] as const;

describe.each(faces)('on %s', (face) => {
  test.each(situations)('a context management service that is %s', async (_what, given, health, goesOn) => {
    const { url, ...env } = given as { url?: true };
    const gateway = await start({ ...env, ...(url ? { LLM_GATEWAY_CMS_URL: cms.origin } : {}) });
    cms.routes['/health'] = health === 200 ? () => ({}) : fails(health);
    for (const mode of modes) {
      for (const { tokens, tier, headroom } of prompts) {
        const word = mode?.trim().toLowerCase() ?? 'auto';
        const isAuto = word === 'auto' || word === 'bogus';
        const routed = isAuto ? tier >= 2 : word !== 'none';
        const text = textOf(tokens);
        const asking: Asking = { text, mode, stream: tokens % 2 === 0 };
        const answer = await askOn(face, gateway, asking);
        if (!goesOn && tier >= 3 && word !== 'none') {
          expect(answer.failure).toBe(unavailable(face));
          expect(answer.message).toMatch(
            new RegExp(`^CMS unavailable: .*\\btier ${tier} \\(${tokens} of ${limit} tokens\\)`),
          );
          continue;
        }
        expect(answer.failure).toBe('');
        expect(answer.text).toBe(text);
        expect(answer.told).toEqual({
          routed: `${routed}`,
          tier: `${tier}`,
          count: `${tokens}`,
          limit: `${limit}`,
          headroom: `${headroom}`,
        });
        if (isRest(face)) continue;
        expect(answer.report).toMatchObject({
          tokenCount: tokens,
          tokenLimit: limit,
          tier,
          routed,
          headroomPercent: headroom,
        });
      }
    }
    // Looked at once a second, and only for prompts that need it.
    expect(asked('/health').length > 0).toBe(url === true && !('LLM_GATEWAY_CMS_ENABLED' in env));
    expect(asked('/health').length).toBeLessThan(20);
  });

  test.each([false, true])(
    'the service may take its time, but not too much; streamed: %s',
    async (stream) => {
      const gateway = await start({
        LLM_GATEWAY_CMS_URL: cms.origin,
        LLM_GATEWAY_CMS_TIMEOUT_SECONDS: '0.5',
      });
      cms.routes['/health'] = () => null;
      const began = performance.now();
      const answer = await askOn(face, gateway, { text: textOf(600), stream });
      expect(answer.failure).toBe(unavailable(face));
      expect(performance.now() - began).toBeLessThan(1_500);
      expect(performance.now() - began).toBeGreaterThan(450);
      // Short prompts do not wait.
      const short = performance.now();
      expect((await askOn(face, gateway, { text: 'x', stream })).failure).toBe('');
      expect(performance.now() - short).toBeLessThan(400);
    },
  );

  test('the deadline of a call holds while it waits for the service', async () => {
    const gateway = await start({ LLM_GATEWAY_CMS_URL: cms.origin });
    cms.routes['/health'] = () => null;
    const began = performance.now();
    const answer = await askOn(face, gateway, { text: textOf(600), timeoutMs: 100 });
    expect(answer.failure).toMatch(/^504|^DeadlineExceeded/);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

const rpcFaces = faces.filter((face) => !isRest(face));
test.each(rpcFaces)('on %s the mode is an option, too; metadata win', async (face) => {
  const gateway = await start();
  const routed = async (option: string | undefined, mode: string | undefined) => {
    const { told, report } = await askOn(face, gateway, { text: 'x', option, mode });
    expect(`${report?.routed}`).toBe(told.routed);
    return told.routed;
  };
  expect(await routed(' PLAN', undefined)).toBe('true');
  expect(await routed('plan', 'none')).toBe('false');
  expect(await routed('none', 'plan')).toBe('true');
  expect(await routed('plan', 'bogus')).toBe('false');
  expect(await routed('bogus', undefined)).toBe('false');
});

describe('the estimate', () => {
  test('has the history of the session in it', async () => {
    const url = await start();
    const { id: sessionId } = await sessionsAt(url).make();
    const counts: (string | null)[] = [];
    for (let i = 0; i < 3; i++) {
      const { told } = await askOn('REST', url, { text: textOf(100), sessionId });
      counts.push(told.count);
    }
    expect(counts).toEqual(['100', '300', '500']);
  });

  test('is in the headers that pages of other origins may read', async () => {
    const url = await start();
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { origin: 'https://page.example', 'content-type': 'application/json' },
      body: '{"model":"fake/echo","messages":[{"role":"user","content":"x"}]}',
    });
    const exposed = response.headers.get('access-control-expose-headers')?.split(', ');
    const names = ['x-cms-routed', 'x-cms-tier', 'x-token-count', 'x-token-limit', 'x-headroom-pct'];
    expect(exposed).toEqual(expect.arrayContaining(names));
  });

  test('is of chat calls only, and counting tokens needs no service', async () => {
    const url = await start({ LLM_GATEWAY_CMS_URL: cms.origin });
    cms.routes['/health'] = fails(500);
    const post = (path: string, body: unknown) =>
      fetch(`${url}/v1/${path}`, { method: 'POST', body: JSON.stringify(body) });
    const vectors = await post('embeddings', { model: 'fake/embed', input: textOf(900) });
    expect([vectors.status, vectors.headers.get('x-cms-tier')]).toEqual([200, null]);
    const messages = [{ role: 'user', content: textOf(900) }];
    expect((await post('messages/count_tokens', { model: 'fake/echo', messages })).status).toBe(200);
    expect((await post('chat/completions', { model: 'fake/echo', messages })).status).toBe(503);
  });

  test('makes tiers by shares that are configurable', async () => {
    const url = await start({ LLM_GATEWAY_CMS_TIER_SHARES: '1,2,3' });
    const tiers: (string | null)[] = [];
    for (const tokens of [9, 10, 20, 30]) {
      tiers.push((await askOn('REST', url, { text: textOf(tokens) })).told.tier);
    }
    expect(tiers).toEqual(['1', '2', '3', '4']);
    for (const wrong of ['25,50', '50,25,75', '25,25,50', '0,50,75', '25,50,101', 'a,b,c', '']) {
      const started = startGateway({ LLM_GATEWAY_CMS_TIER_SHARES: wrong });
      if (wrong === '') gateways.push(await started);
      else await expect(started).rejects.toThrow(/^LLM_GATEWAY_CMS_TIER_SHARES: .*3 whole percentages/);
    }
  });
});

test('a burst of long prompts costs the service one look, and who leaves stops no other', async () => {
  const url = await start({ LLM_GATEWAY_CMS_URL: cms.origin });
  const held: (() => void)[] = [];
  cms.routes['/health'] = (_got, response) => void held.push(() => send(response, 200, {}));
  const leave = new AbortController();
  const left = askOn('REST', url, { text: textOf(600), signal: leave.signal }).catch(() => 'left');
  await until(() => held.length === 1);
  const burst = faces.map((face) => askOn(face, url, { text: textOf(600) }));
  await until(() => gateways[0]!.gateway.port.inFlight === 1 + faces.length);
  leave.abort();
  expect(await left).toBe('left');
  for (const answer of held) answer();
  expect((await Promise.all(burst)).map(({ failure }) => failure)).toEqual(faces.map(() => ''));
  expect(asked('/health').length).toBe(1);
});
