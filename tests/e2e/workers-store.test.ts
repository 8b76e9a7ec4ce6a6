import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from '../support/redis.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { say, sessionsAt } from '../support/sessions.ts';
import { startWorkers, type WorkerConnection, type WorkerGateway } from '../support/workers.ts';

// Two workers on the embedded store: what one of them was told the other one knows.

vi.setConfig({ testTimeout: 60_000 });

let dir: string;
let model: ScriptedModel;
let gateway: WorkerGateway;
let one: WorkerConnection;
let two: WorkerConnection;
beforeAll(async () => {
  model = await startModel();
  dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-workers-store-'));
  const file = path.join(dir, 'gateway.yaml');
  writeFileSync(
    file,
    `providers:
  shop: { base_url: "${model.upstream.origin}/v1", api_key: k }
models:
  - { id: shop/dear, provider: shop, price: { input: 10000, output: 20000 } }
budgets:
  - { name: all, usd: 10, per: day, model: shop/dear }
`,
  );
  gateway = await startWorkers({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_DATA_DIR: path.join(dir, 'data'),
    DEEPSEEK_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
  });
  one = await gateway.connection(1);
  two = await gateway.connection(2);
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  model?.close();
  rmSync(dir, { recursive: true, force: true });
});

const of = (i: number): WorkerConnection => (i % 2 === 0 ? one : two);

test('200 calls in 20 sessions lose nothing and mix nothing', async () => {
  const sessions = await Promise.all(Array.from({ length: 20 }, () => sessionsAt(gateway.url).make()));
  const calls = Array.from({ length: 200 }, (_, i) =>
    say(i % 4 < 2 ? 'REST' : 'gRPC', gateway.url, {
      sessionId: sessions[i % 20]!.id,
      text: `${i}`,
      stream: i % 3 === 0,
    }),
  );
  expect((await Promise.all(calls)).filter(({ failure }) => failure !== '')).toEqual([]);
  for (const [at, { id }] of sessions.entries()) {
    const said = await sessionsAt(gateway.url).said(id);
    const numbers = Array.from({ length: 10 }, (_, n) => at + 20 * n);
    const asked = said.filter((_, i) => i % 2 === 0);
    expect(asked.toSorted()).toEqual(numbers.map((n) => `user: ${n}`).toSorted());
    for (let i = 0; i < said.length; i += 2) expect(said[i + 1]).toBe(said[i]!.replace('user', 'assistant'));
  }
});

test('50 calls at once never spend more than their budget, and what they used is one sum', async () => {
  const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 };
  model.script = Array.from({ length: 50 }, () => ({ text: 'a', usage }));
  const body = { model: 'shop/dear', max_tokens: 20, messages: [{ role: 'user', content: 'Hi' }] };
  const statuses = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify(body),
      });
      await reply.text();
      return reply.status;
    }),
  );
  model.script = [];
  const passed = statuses.filter((status) => status === 200).length;
  expect(statuses.filter((status) => status === 429)).toHaveLength(50 - passed);
  // Each costs 0.3 and sets aside somewhat more.
  expect(passed).toBeGreaterThan(10);
  expect(passed).toBeLessThanOrEqual(33);
  // What the other worker has not written yet is asked for as well.
  for (const connection of [one, two]) {
    const { text } = await connection.get('/v1/usage?group_by=model');
    expect(JSON.stringify(JSON.parse(text))).toContain(`"requests":${passed}`);
  }
});

describe('a background response', () => {
  const begin = async (delayMs: number): Promise<string> => {
    const { text } = await one.post('/v1/responses', {
      model: `fake/slow?words=40&delay_ms=${delayMs}`,
      input: 'Go on.',
      background: true,
    });
    return String((JSON.parse(text) as { id: string }).id);
  };
  const read = async (id: string): Promise<{ status: string }> =>
    JSON.parse((await two.get(`/v1/responses/${id}`)).text);

  test('of one worker is read and cancelled on the other', async () => {
    const id = await begin(1_000);
    await until(async () => (await read(id)).status === 'in_progress');
    const { text } = await two.post(`/v1/responses/${id}/cancel`, {});
    expect(JSON.parse(text)).toMatchObject({ id, status: 'cancelled' });
  });

  test('of one worker is followed on the other while it is made, soon after each event', async () => {
    const id = await begin(50);
    const began = performance.now();
    const { text } = await two.get(`/v1/responses/${id}?stream=true`);
    expect(text).toContain('response.completed');
    expect(text.match(/response\.output_text\.delta"/g)?.length).toBeGreaterThan(30);
    // 40 words of 50 ms each: it ends when the answer does.
    expect(performance.now() - began).toBeLessThan(6_000);
    expect((await read(id)).status).toBe('completed');
  });
});

describe.each([
  ['whole', false],
  ['streamed', true],
])('of a %s answer', (_how, stream) => {
  test('the reasoning is given back by the worker that did not see it', async () => {
    const id = `call_of_workers_${stream ? 'streamed' : 'whole'}_x`;
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
    const messages = [{ role: 'user', content: 'Hello' }];
    for (const [i, first] of [one, two].entries()) {
      const callId = `${id}${i === 0 ? 'a' : 'b'}`;
      model.script = [
        { text: '', calls: [[callId, 'f', '{}']], more: { reasoning_content: `thought ${i}` } },
      ];
      const body = { model: 'deepseek/deepseek-reasoner', messages, tools };
      if (stream) expect((await first.stream(body)).whole).toBe(true);
      else expect((await first.post('/v1/chat/completions', body)).status).toBe(200);
      model.script = [{ text: 'done' }];
      const { status } = await of(i + 1).post('/v1/chat/completions', {
        model: 'deepseek/deepseek-reasoner',
        messages: [
          ...messages,
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: callId, type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: callId, content: 'done' },
        ],
      });
      expect(status).toBe(200);
      expect(model.messages()[1]).toMatchObject({ reasoning_content: `thought ${i}` });
    }
  });
});

test('a key that one worker takes back is none for the other, long before it would be asked for again', async () => {
  const token = 'the-administrator-s-own-token-of-32';
  const strict = await startWorkers({
    LLM_GATEWAY_ADMIN_TOKEN: token,
    LLM_GATEWAY_AUTH_REQUIRED: 'true',
    LLM_GATEWAY_KEY_CACHE_SECONDS: '60s',
  });
  const ask = (method: string, at: string, key: string, body?: object) =>
    fetch(`${strict.url}${at}`, {
      method,
      headers: { 'content-type': 'application/json', connection: 'close', authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  try {
    const made = (await (await ask('POST', '/admin/keys', token, { name: 'k' })).json()) as {
      id: string;
      key: string;
    };
    const statuses = async (): Promise<number[]> => {
      const asked = Array.from({ length: 8 }, () => ask('GET', '/v1/models', made.key));
      return (await Promise.all(asked)).map(({ status }) => status);
    };
    expect(new Set(await statuses())).toEqual(new Set([200]));
    expect((await ask('DELETE', `/admin/keys/${made.id}`, token)).ok).toBe(true);
    await until(async () => (await statuses()).every((status) => status === 401), 5_000);
  } finally {
    await strict.stop();
  }
});
