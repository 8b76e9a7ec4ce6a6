import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BodyHandler, eitherEmbeddings, embeddings } from '../../src/rest/embeddings.ts';
import { sendJson } from '../../src/rest/exchange.ts';
import { restRouter } from '../../src/rest/router.ts';

const served =
  (by: string): BodyHandler =>
  async (exchange, body) =>
    sendJson(exchange, 200, JSON.stringify({ by, body }));
const options = () => ({ maxBodyBytes: 1_000 });
const router = restRouter(
  {
    '/v1/embeddings': { POST: embeddings(served('openai'), options) },
    '/embeddings': { POST: eitherEmbeddings(served('openai'), served('other'), options) },
  },
  () => {},
);
const server = http.createServer((req, res) => void router(req, res, 'req_1'));
let origin: string;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test.each([
  ['/embeddings', { text: 'a' }, 'other'],
  ['/embeddings', { text: 'a', model: 'm' }, 'other'],
  ['/embeddings', { input: 'a' }, 'openai'],
  ['/embeddings', { input: 'a', text: 'b' }, 'openai'],
  ['/embeddings', {}, 'openai'],
  ['/embeddings', [], 'openai'],
  ['/v1/embeddings', { text: 'a' }, 'openai'],
])('%s with %j is served by %s', async (path, body, by) => {
  const response = await fetch(`${origin}${path}`, { method: 'POST', body: JSON.stringify(body) });
  expect(await response.json()).toEqual({ by, body });
});

test('a body over the limit is refused for both', async () => {
  const body = JSON.stringify({ text: 'x'.repeat(2_000) });
  for (const path of ['/embeddings', '/v1/embeddings']) {
    expect((await fetch(`${origin}${path}`, { method: 'POST', body })).status).toBe(413);
  }
});
