import { afterEach, beforeEach, expect, test } from 'vitest';
import { openaiDialect } from '../../src/codec/openai-chat/dialect.ts';
import { createUpstreamClient, type UpstreamClient } from '../../src/http/client.ts';
import { type Discovery, type DiscoveryOptions, startDiscovery } from '../../src/providers/discovery.ts';
import { openAIFormProvider } from '../../src/providers/openai-form/provider.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';

let server: JsonServer;
let client: UpstreamClient;
let discovery: Discovery | undefined;
let changes: [provider: string, reachable: boolean][];

beforeEach(async () => {
  server = await startJsonServer();
  client = createUpstreamClient();
  changes = [];
});
afterEach(async () => {
  discovery?.stop();
  server.close();
  await client.destroy();
});

/** A provider whose list is at `/<name>/models`. */
const provider = (name: string, missing: string | null = null): Provider =>
  openAIFormProvider(
    {
      name,
      baseUrl: `${server.origin}/${name}`,
      headers: {},
      dialect: openaiDialect,
      missing,
      unsupported: () => new Set(),
      discovery: true,
      embeddings: 'none',
      responses: false,
      compaction: false,
    },
    client,
  );
const start = (providers: Provider[], options: Partial<DiscoveryOptions> = {}): Discovery => {
  discovery = startDiscovery(providers, {
    intervalMs: 1,
    timeoutMs: 5_000,
    onChange: (name, reachable) => void changes.push([name, reachable]),
    ...options,
  });
  return discovery;
};
const list = (...ids: string[]) => ({ object: 'list', data: ids.map((id) => ({ id })) });
const idsOf = (name: string) => discovery?.modelsOf(name).map(({ id }) => id);
const asked = (name: string) => server.got.filter(({ path }) => path === `/${name}/models`).length;

test('what is reported follows what the provider has', async () => {
  let now = list('a', 'b');
  server.routes['/p/models'] = () => now;
  await start([provider('p')]).firstRound;
  expect(idsOf('p')).toEqual(['a', 'b']);
  now = list('b', 'c');
  await expect.poll(() => idsOf('p')).toEqual(['b', 'c']);
  now = list();
  await expect.poll(() => idsOf('p')).toEqual([]);
  expect(changes).toEqual([['p', true]]);
});

test('one that hangs, fails or talks nonsense does not hold up the others', async () => {
  server.routes['/hangs/models'] = () => null;
  server.routes['/fails/models'] = (_got, response) => send(response, 500, { error: 'oops' });
  server.routes['/nonsense/models'] = (_got, response) => send(response, 200, '<html>');
  server.routes['/breaks/models'] = (_got, response) => void response.socket?.destroy();
  server.routes['/good/models'] = () => list('a');
  const names = ['hangs', 'fails', 'nonsense', 'breaks', 'good'];
  start(names.map((name) => provider(name)));
  // The good one is asked again and again while another has not answered at all.
  await expect.poll(() => asked('good')).toBeGreaterThan(3);
  expect(asked('hangs')).toBe(1);
  expect(names.map((name) => discovery?.reachable(name))).toEqual([null, false, false, false, true]);
  expect(names.map(idsOf)).toEqual([[], [], [], [], ['a']]);
  // Only what changes is told, not every round.
  expect(changes.map(([name]) => name).sort()).toEqual(['breaks', 'fails', 'good', 'nonsense']);
});

test('the last list stays while a provider is away', async () => {
  let answers = true;
  server.routes['/p/models'] = (_got, response) => (answers ? list('a') : send(response, 200, '{}'));
  await start([provider('p')]).firstRound;
  answers = false;
  await expect.poll(() => discovery?.reachable('p')).toBe(false);
  expect(idsOf('p')).toEqual(['a']);
  answers = true;
  await expect.poll(() => discovery?.reachable('p')).toBe(true);
  expect(changes).toEqual([
    ['p', true],
    ['p', false],
    ['p', true],
  ]);
});

test('what was known before stands until it is known anew', async () => {
  server.routes['/p/models'] = () => list('a');
  const previous = start([provider('p')]);
  await previous.firstRound;
  previous.stop();
  server.routes['/p/models'] = () => null;
  start([provider('p'), provider('q')], { previous });
  expect([idsOf('p'), discovery?.reachable('p')]).toEqual([['a'], true]);
  expect([idsOf('q'), discovery?.reachable('q')]).toEqual([[], null]);
});

test('nobody is waited for longer than the limit, heeding the signal or not', async () => {
  server.routes['/hangs/models'] = () => null;
  const deaf: Provider = {
    name: 'deaf',
    missing: null,
    unsupported: () => new Set(),
    listModels: () => new Promise(() => {}),
  };
  await start([provider('hangs'), deaf], { timeoutMs: 20 }).firstRound;
  expect([discovery?.reachable('hangs'), discovery?.reachable('deaf')]).toEqual([false, false]);
  await expect.poll(() => asked('hangs')).toBeGreaterThan(1);
});

test('a list is bounded in models and in bytes', async () => {
  server.routes['/many/models'] = () => list(...Array.from({ length: 12_000 }, (_, i) => `m${i}`));
  server.routes['/large/models'] = () => ({ data: [{ id: 'a', description: 'x'.repeat(17 * 1024 * 1024) }] });
  const lots: Provider = {
    name: 'lots',
    missing: null,
    unsupported: () => new Set(),
    listModels: () => Promise.resolve(Array.from({ length: 12_000 }, (_, i) => ({ id: `m${i}` }))),
  };
  await start([provider('many'), provider('large'), lots], { intervalMs: 60_000 }).firstRound;
  expect(discovery?.modelsOf('many')).toHaveLength(10_000);
  expect(discovery?.modelsOf('lots')).toHaveLength(10_000);
  expect([discovery?.modelsOf('large'), discovery?.reachable('large')]).toEqual([[], false]);
});

test('one that lacks its key is not asked', async () => {
  server.routes['/p/models'] = () => list('a');
  server.routes['/other/models'] = () => list('a');
  start([provider('p', 'set P_API_KEY'), provider('other')]);
  await expect.poll(() => asked('other')).toBeGreaterThan(2);
  expect(asked('p')).toBe(0);
  expect(discovery?.reachable('p')).toBeNull();
});

test('nothing is asked, and nothing changes, once it is stopped', async () => {
  server.routes['/p/models'] = () => null;
  server.routes['/q/models'] = () => list('a');
  start([provider('p'), provider('q')]);
  await expect.poll(() => discovery?.reachable('q')).toBe(true);
  discovery?.stop();
  await discovery?.firstRound;
  const before = server.got.length;
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(server.got.length - before).toBeLessThanOrEqual(1);
  expect(changes).toEqual([['q', true]]);
});
