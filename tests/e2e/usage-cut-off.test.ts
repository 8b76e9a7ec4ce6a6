import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OwnParts } from '../../src/context/gateway.ts';
import { chunked, STREAM_HEAD } from '../http/support/upstream.ts';
import { eventFrame } from '../support/aws-event-stream.ts';
import { callFace } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { parseScrape } from '../support/prometheus.ts';
import { until } from '../support/redis.ts';
import { chunkOf, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { testToolbox } from '../support/toolbox.ts';

// What answers cost that are cut off, that others share, and that take several rounds: the same in totals, limits, logs and metrics.

let model: ScriptedModel;
let folder: string;
const running: RunningGateway[] = [];
beforeAll(async () => {
  model = await startModel();
  folder = mkdtempSync(path.join(tmpdir(), 'cut-off-'));
  const price =
    'price: { input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, output: 15, variants: [] }';
  writeFileSync(
    path.join(folder, 'gateway.yaml'),
    `providers:
  openai-form: { base_url: "${model.upstream.origin}/v1", api_key: k }
  anthropic-form: { form: anthropic, base_url: "${model.upstream.origin}", api_key: k }
  bedrock: { base_url: "${model.upstream.origin}", claude_api: invoke }
  google-form: { form: google, base_url: "${model.upstream.origin}/v1beta", api_key: k }
models:
  - { id: openai-form/dear, provider: openai-form, ${price} }
  - { id: anthropic-form/dear, provider: anthropic-form, ${price} }
  - { id: bedrock/anthropic.claude-dear, provider: bedrock, ${price} }
  - { id: google-form/dear, provider: google-form, ${price} }
`,
  );
});
afterEach(async () => {
  model.script = [];
  model.asked.length = 0;
  for (const gateway of running.splice(0)) await gateway.stop();
});
afterAll(() => {
  model?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}, parts: OwnParts = {}): Promise<RunningGateway> {
  const config = path.join(folder, 'gateway.yaml');
  const keys = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-west-1' };
  const gateway = await startGateway({ LLM_GATEWAY_CONFIG: config, ...keys, ...env }, parts);
  running.push(gateway);
  return gateway;
}

interface Totals {
  readonly requests: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cached_tokens: number;
  readonly cache_write_tokens: number;
  readonly cost_usd: string;
  readonly estimated: number;
  readonly aborted: number;
}

const totalsOf = async ({ url }: RunningGateway): Promise<Totals> =>
  ((await (await fetch(`${url}/v1/usage`)).json()) as { total: Totals }).total;

/** Of all series of a metric. */
async function sumOf({ url }: RunningGateway, name: string): Promise<number> {
  const families = parseScrape(await (await fetch(`${url}/metrics`)).text());
  const samples = families.flatMap((family) => family.samples).filter((sample) => sample.name === name);
  return samples.reduce((sum, { value }) => sum + value, 0);
}

/** What metrics say of all answers has to be what the totals say. */
async function agree(gateway: RunningGateway, { requests, cost_usd: cost }: Totals): Promise<void> {
  expect(await sumOf(gateway, 'llm_gateway_request_cost_dollars_count')).toBe(requests);
  expect(await sumOf(gateway, 'llm_gateway_request_cost_dollars_sum')).toBeCloseTo(Number(cost), 12);
  const performed = (await (await fetch(`${gateway.url}/metrics/performance`)).json()) as {
    total_cost: number;
  };
  expect(performed.total_cost).toBe(Number(cost));
}

/** Frames of a stream that then says nothing more. */
const hanging =
  (...frames: object[]): ScriptedModel['script'][number] =>
  ({ socket }) => {
    let out = STREAM_HEAD;
    for (const frame of frames) out += chunked(`data: ${JSON.stringify(frame)}\n\n`);
    socket.write(out);
  };

/** The same from Bedrock, in Anthropic's own form. */
const hangingAtBedrock =
  (...frames: object[]): ScriptedModel['script'][number] =>
  ({ socket }) => {
    const bytes = Buffer.concat(
      frames.map((frame) =>
        eventFrame('chunk', { bytes: Buffer.from(JSON.stringify(frame)).toString('base64') }),
      ),
    );
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ncontent-length: ${bytes.length + 1}\r\n\r\n`,
    );
    socket.write(bytes);
  };

const said = 'one two three four';

const messageStart = {
  type: 'message_start',
  message: {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'dear',
    content: [],
    usage: {
      input_tokens: 12,
      cache_read_input_tokens: 50_000,
      cache_creation_input_tokens: 1_000,
      cache_creation: { ephemeral_5m_input_tokens: 600, ephemeral_1h_input_tokens: 400 },
      output_tokens: 1,
    },
  },
};
const textBlock = [
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: said } },
];
const messageDelta = {
  type: 'message_delta',
  delta: { stop_reason: 'end_turn' },
  usage: { output_tokens: 7 },
};

const choice = (delta: object, finish: string | null = null) => ({
  id: 'c',
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const usageChunk = {
  id: 'c',
  choices: [],
  usage: {
    prompt_tokens: 1_000,
    completion_tokens: 9,
    total_tokens: 1_009,
    prompt_tokens_details: { cached_tokens: 800 },
  },
};

const candidate = (text: string, usageMetadata: object) => ({
  candidates: [{ index: 0, content: { role: 'model', parts: [{ text }] } }],
  usageMetadata,
});

describe.each(['REST', 'gRPC'] as const)('on %s', (face) => {
  test.each([
    [
      'Anthropic’s, right after it began',
      'anthropic-form/dear',
      [messageStart, ...textBlock],
      // 12 × 3 + 50,000 × 0.3 + 600 × 3.75 + 400 × 6 + 4 × 15
      { prompt: 51_012, completion: 4, cached: 50_000, written: 1_000, estimated: 1, cost: '0.019746' },
    ],
    [
      'Anthropic’s, before its last word',
      'anthropic-form/dear',
      [messageStart, ...textBlock, { type: 'content_block_stop', index: 0 }, messageDelta],
      { prompt: 51_012, completion: 7, cached: 50_000, written: 1_000, estimated: 0, cost: '0.019791' },
    ],
    [
      'Claude’s at Bedrock, right after it began',
      'bedrock/anthropic.claude-dear',
      [messageStart, ...textBlock],
      { prompt: 51_012, completion: 4, cached: 50_000, written: 1_000, estimated: 1, cost: '0.019746' },
    ],
    [
      'OpenAI’s, between its usage and its end',
      'openai-form/dear',
      [choice({ role: 'assistant', content: said }), choice({}, 'stop'), usageChunk],
      // 200 × 3 + 800 × 0.3 + 9 × 15
      { prompt: 1_000, completion: 9, cached: 800, written: 0, estimated: 0, cost: '0.000975' },
    ],
    [
      'OpenAI’s with a count in each chunk, in the middle',
      'openai-form/dear',
      [
        {
          ...choice({ role: 'assistant', content: 'one' }),
          usage: { ...usageChunk.usage, completion_tokens: 1 },
        },
        choice({ content: ' two three four' }, 'stop'),
      ],
      { prompt: 1_000, completion: 4, cached: 800, written: 0, estimated: 1, cost: '0.0009' },
    ],
    [
      'Gemini’s, in the middle',
      'google-form/dear',
      [
        candidate('one two', { promptTokenCount: 3_000, cachedContentTokenCount: 2_000 }),
        candidate(' three four', {
          promptTokenCount: 3_000,
          cachedContentTokenCount: 2_000,
          candidatesTokenCount: 6,
          thoughtsTokenCount: 30,
        }),
      ],
      // 1,000 × 3 + 2,000 × 0.3 + 36 × 15
      { prompt: 3_000, completion: 36, cached: 2_000, written: 0, estimated: 1, cost: '0.00414' },
    ],
  ] as const)('an answer of %s, costs what its provider has said', async (_of, name, frames, expected) => {
    const audit = path.join(mkdtempSync(path.join(folder, 'audit-')), 'audit.jsonl');
    const gateway = await start({ LLM_GATEWAY_RATE_LIMITS: 'on', AUDIT_LOG_PATH: audit });
    model.script = [(name.startsWith('bedrock/') ? hangingAtBedrock : hanging)(...frames)];
    const leave = new AbortController();
    await callFace(face, gateway.url, name, {
      stream: true,
      signal: leave.signal,
      onText: (text) => {
        if (text === said) leave.abort();
      },
    });
    await until(async () => (await totalsOf(gateway)).requests === 1);
    const totals = await totalsOf(gateway);
    expect(totals).toMatchObject({
      prompt_tokens: expected.prompt,
      completion_tokens: expected.completion,
      cached_tokens: expected.cached,
      cache_write_tokens: expected.written,
      estimated: expected.estimated,
      aborted: 1,
      cost_usd: expected.cost,
    });
    await agree(gateway, totals);
    await until(() => gateway.log.some(({ message }) => message === 'call'));
    expect(gateway.log.find(({ message }) => message === 'call')).toMatchObject({
      status: 'cancelled',
      prompt_tokens: expected.prompt,
      completion_tokens: expected.completion,
      cost_usd: expected.cost,
    });
    const line = gateway.log.find(({ message }) => message === 'call');
    expect(line?.['cost_estimated']).toBe(expected.estimated === 1 ? true : undefined);
    const entry = () => JSON.parse(readFileSync(audit, 'utf8').trim() || '{}') as Record<string, unknown>;
    await until(() => entry()['cost_usd'] !== undefined);
    expect(entry()).toMatchObject({
      prompt_tokens: expected.prompt,
      completion_tokens: expected.completion,
      total_tokens: expected.prompt + expected.completion,
      cost_usd: expected.cost,
    });
    expect(entry()['cost_estimated']).toBe(line?.['cost_estimated']);
    const limited = await fetch(`${gateway.url}/rate-limit/status?user_id=anonymous`);
    expect(await limited.json()).toMatchObject({
      current_usage: { tokens_this_minute: expected.prompt + expected.completion },
    });
  });
});

test('an answer that was begun and brought nothing costs its prompt', async () => {
  const gateway = await start();
  model.script = [hanging(messageStart, textBlock[0]!)];
  const leave = new AbortController();
  const call = callFace('REST', gateway.url, 'anthropic-form/dear', { stream: true, signal: leave.signal });
  await until(() => model.asked.length === 1);
  setTimeout(() => leave.abort(), 100);
  await call;
  await until(async () => (await totalsOf(gateway)).requests === 1);
  // 12 × 3 + 50,000 × 0.3 + 600 × 3.75 + 400 × 6 + 15
  expect(await totalsOf(gateway)).toMatchObject({ completion_tokens: 1, cost_usd: '0.019701', aborted: 1 });
});

describe('metrics say of costs what the totals say', () => {
  test('of a plain call, once', async () => {
    const gateway = await start();
    await callFace('REST', gateway.url, 'openai-form/dear', { stream: false });
    await callFace('REST', gateway.url, 'openai-form/dear', { stream: true });
    const totals = await totalsOf(gateway);
    expect(totals.requests).toBe(2);
    await agree(gateway, totals);
  });

  test('of the rounds of a tool loop', async () => {
    const gateway = await start({}, { toolbox: testToolbox() });
    model.script = [
      { calls: [['c1', 'add', '{"a":1,"b":2}']], usage: usageChunk.usage },
      { text: 'three', usage: { prompt_tokens: 5, completion_tokens: 1, total_tokens: 6 } },
    ];
    const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'openai-form/dear',
        messages: [{ role: 'user', content: 'Hi' }],
        gateway_tools: ['add'],
      }),
    });
    expect(await reply.text()).toContain('three');
    const totals = await totalsOf(gateway);
    expect(totals).toMatchObject({ requests: 2, cost_usd: '0.001005' });
    await agree(gateway, totals);
  });

  test('of a tool loop that its client left, and so does the log', async () => {
    const gateway = await start({}, { toolbox: testToolbox() });
    model.script = [
      { calls: [['c1', 'add', '{"a":1,"b":2}']], usage: usageChunk.usage },
      hanging({ ...choice({ role: 'assistant', content: said }), usage: usageChunk.usage }),
    ];
    const leave = new AbortController();
    const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'openai-form/dear',
        messages: [{ role: 'user', content: 'Hi' }],
        gateway_tools: ['add'],
        stream: true,
      }),
      signal: leave.signal,
    });
    const reader = (reply.body as ReadableStream<Uint8Array>).getReader();
    let got = '';
    while (!got.includes(said)) got += Buffer.from((await reader.read()).value ?? []).toString();
    leave.abort();
    await until(async () => (await totalsOf(gateway)).requests === 2);
    const totals = await totalsOf(gateway);
    expect(totals).toMatchObject({
      prompt_tokens: 2_000,
      completion_tokens: 18,
      cost_usd: '0.00195',
      aborted: 1,
    });
    await agree(gateway, totals);
    await until(() => gateway.log.some(({ message }) => message === 'call'));
    expect(gateway.log.find(({ message }) => message === 'call')).toMatchObject({
      status: 'cancelled',
      prompt_tokens: 2_000,
      completion_tokens: 18,
      cost_usd: '0.00195',
      cost_estimated: true,
    });
  });

  test.each(['one', 'both'] as const)('of a shared answer that %s of its clients left', async (left) => {
    const gateway = await start({ LLM_GATEWAY_CACHE: 'true' });
    let socket = { write: (_: string): unknown => null };
    model.script = [
      (request) => {
        socket = request.socket;
        socket.write(STREAM_HEAD + chunkOf({ role: 'assistant', content: 'Good' }));
      },
    ];
    const clients = [new AbortController(), new AbortController()];
    const seen = ['', ''];
    const calls: Promise<unknown>[] = [];
    for (const [i, { signal }] of clients.entries()) {
      const onText = (text: string) => void (seen[i] = text);
      calls.push(callFace('REST', gateway.url, 'openai-form/dear', { stream: true, signal, onText }));
      await until(() => seen[i] === 'Good');
    }
    clients[0]!.abort();
    await calls[0];
    await until(() => gateway.log.some(({ status }) => status === 'cancelled'));
    if (left === 'both') clients[1]!.abort();
    else {
      socket.write(
        chunkOf({}, 'stop') +
          chunked(`data: ${JSON.stringify(usageChunk)}\n\n`) +
          chunked('data: [DONE]\n\n'),
      );
    }
    await calls[1];
    await until(async () => (await totalsOf(gateway)).requests === 1);
    const totals = await totalsOf(gateway);
    expect(totals.aborted).toBe(left === 'both' ? 1 : 0);
    expect(Number(totals.cost_usd)).toBeGreaterThan(0);
    await agree(gateway, totals);
  });
});
