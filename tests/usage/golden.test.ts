import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatUsd, parseUsd } from '../../src/usage/money.ts';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { pieces, type Recording, recordings } from '../support/recordings.ts';
import { isOfEmbeddings } from '../support/replayed-embeddings.ts';

// Every recorded answer that says what it used, replayed to a gateway: where its tokens go, and what it costs to the last digit. The files
// are to be read by people when they change; `npx vitest run tests/usage/golden.test.ts -u` writes them.

const skipped = ['completions', 'api_generate', 'models'];
const all = recordings().filter((recording) => {
  const { endpoint, derived, response } = recording;
  return (
    !skipped.includes(endpoint) &&
    (derived.usage !== undefined || isOfEmbeddings(recording)) &&
    derived.error === undefined &&
    response.status === 200
  );
});

const playedBy: Readonly<Record<string, string>> = {
  'gemini/generateContent': 'google',
  'vertex/generateContent': 'vertex-google',
  'gemini/embed': 'google',
  'vertex/messages': 'vertex-anthropic',
  'bedrock/invoke': 'bedrock-claude',
};
const providerOf = ({ provider, endpoint }: Recording): string =>
  playedBy[`${provider}/${endpoint}`] ?? provider;

/** Prices of recorded models that the catalogue does not have, or has at another provider; those of their providers' pages. */
const prices = `models:
  - { id: gpt-4.1, provider: openai, price: { input: 2, cached_input: 0.5, output: 8 } }
  - { id: gpt-4.1-nano, provider: openai, price: { input: 0.1, cached_input: 0.025, output: 0.4 } }
  - { id: gpt-5.5, provider: openai, price: { input: 5, cached_input: 0.5, output: 30 } }
  - { id: o4-mini, provider: openai, price: { input: 1.1, cached_input: 0.275, output: 4.4 } }
  - { id: gpt-4o-audio-preview, provider: openai, price: { input: 2.5, output: 10, audio_input: 40, audio_output: 80 } }
  - { id: azure/o4-mini, provider: azure, price: { input: 1.1, cached_input: 0.275, output: 4.4 } }
  - { id: azure/gpt-5-mini, provider: azure, price: { input: 0.25, cached_input: 0.025, output: 2 } }
  - id: claude-haiku-4-5
    provider: anthropic
    price: { input: 1, cached_input: 0.1, cache_write: 1.25, cache_write_1h: 2, output: 5 }
  - id: claude-opus-4-6
    provider: anthropic
    price: { input: 5, cached_input: 0.5, cache_write: 6.25, cache_write_1h: 10, output: 25 }
  - id: claude-sonnet-4-5
    provider: anthropic
    price: { input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, output: 15 }
  - id: claude-sonnet-4-6
    provider: anthropic
    price: { input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, output: 15 }
  - id: claude-3-5-haiku
    provider: anthropic
    price: { input: 0.8, cached_input: 0.08, cache_write: 1, cache_write_1h: 1.6, output: 4 }
  - id: anthropic/recorded-model
    provider: anthropic
    price: { input: 3, cached_input: 0.3, cache_write: 3.75, cache_write_1h: 6, output: 15 }
  - { id: deepseek/recorded-model, provider: deepseek, price: { input: 0.14, cached_input: 0.0028, output: 0.28 } }
  - { id: openai/recorded-model, provider: openai, price: { input: 1.25, cached_input: 0.125, output: 10 } }
  - { id: xai/recorded-model, provider: xai, price: { input: 3, cached_input: 0.75, output: 15 } }
  - { id: groq/moonshotai/kimi-k2-instruct-0905, provider: groq, price: { input: 1, cached_input: 0.5, output: 3 } }
  - { id: bedrock/anthropic.claude-3-haiku-20240307, provider: bedrock, price: { input: 0.25, output: 1.25 } }
  - { id: bedrock/anthropic.claude-3-5-sonnet-20240620, provider: bedrock, price: { input: 3, output: 15 } }
  - { id: bedrock/amazon.nova-micro-v1, provider: bedrock, price: { input: 0.035, output: 0.14 } }
  - id: bedrock-claude/us.anthropic.claude-haiku-4-5
    provider: bedrock-claude
    price: { input: 1.1, cached_input: 0.11, cache_write: 1.375, cache_write_1h: 2.2, output: 5.5 }
  - { id: google/gemini-embedding-001, provider: google, price: { input: 0.15 } }
  - { id: vertex-google/gemini-2.5-flash, provider: vertex-google, price: { input: 0.3, cached_input: 0.03, output: 2.5 } }
`;

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
let playing: Recording;

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(async ({ socket, body }) => {
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    const { headers, bytes } = playing.response;
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 200 Replayed\r\n${head.join('')}content-length: ${bytes.length}\r\n\r\n`);
    for (const piece of pieces(bytes)) {
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  folder = mkdtempSync(path.join(tmpdir(), 'usage-golden-'));
  const file = path.join(folder, 'gateway.yaml');
  const { origin } = upstream;
  const openai = ['openai', 'azure', 'deepseek', 'openrouter', 'xai', 'groq', 'open-responses'];
  writeFileSync(
    file,
    `providers:
  ${openai.map((name) => `${name}: { base_url: "${origin}/v1", api_key: k, responses: true }`).join('\n  ')}
  llamacpp: { base_url: "${origin}/v1" }
  anthropic: { base_url: "${origin}", api_key: k }
  vertex-anthropic: { form: anthropic, base_url: "${origin}", headers: { authorization: Bearer k } }
  google: { base_url: "${origin}/v1beta", api_key: k }
  vertex-google: { form: google, base_url: "${origin}/v1", headers: { authorization: Bearer k } }
  ollama: { base_url: "${origin}" }
  bedrock: { base_url: "${origin}" }
  bedrock-claude: { form: bedrock, claude_api: invoke, base_url: "${origin}" }
${prices}`,
  );
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_LLAMACPP_BASE_URL: `${origin}/v1`,
    LLM_GATEWAY_OLLAMA_BASE_URL: origin,
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'k',
    AWS_REGION: 'us-east-1',
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

function modelOf(recording: Recording): string {
  const { url, json } = recording.request;
  const inPath = /\/models?\/([^/:]+(?:%3A[^/:]+)?)/.exec(url)?.[1];
  const model = json?.['model'] ?? (inPath === undefined ? 'recorded-model' : decodeURIComponent(inPath));
  return `${providerOf(recording)}/${model}`;
}

const counted = [
  'requests',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'unpriced',
  'estimated',
  'aborted',
] as const;
type Total = Record<(typeof counted)[number], number> & { cost_usd: string };

async function total(): Promise<Total> {
  const usage = (await (await fetch(`${gateway.url}/v1/usage`)).json()) as { total: Total };
  return usage.total;
}

/** Asks for a recorded answer. @returns the cost that the reply's header tells */
async function replay(recording: Recording): Promise<string | null> {
  playing = recording;
  const model = modelOf(recording);
  const { stream } = recording;
  const [route, body] = isOfEmbeddings(recording)
    ? ['embeddings', { model, input: inputOf(recording) }]
    : recording.endpoint === 'responses'
      ? ['responses', { model, input: 'Hello', stream, store: false }]
      : ['chat/completions', { model, stream, messages: [{ role: 'user', content: 'Hello' }] }];
  const response = await fetch(`${gateway.url}/v1/${route}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect([response.status, response.status === 200 ? '' : text]).toEqual([200, '']);
  return response.headers.get('x-cost-usd');
}

/** As many texts as there are vectors. */
const inputOf = ({ derived }: Recording): string[] =>
  Array.from({ length: derived.vectors ?? 1 }, () => 'Hello');

describe.skipIf(all.length === 0)('what recorded answers used and cost', () => {
  const places = [...new Set(all.map(({ provider, endpoint }) => `${provider}-${endpoint}`))];

  test.each(places)('%s', async (place) => {
    const rows: unknown[] = [];
    for (const recording of all.filter(({ provider, endpoint }) => `${provider}-${endpoint}` === place)) {
      const before = await total();
      const told = await replay(recording);
      const after = await total();
      const used = Object.fromEntries(
        counted.map((name) => [name, after[name] - before[name]]),
      ) as unknown as Total;
      const cost = formatUsd((parseUsd(after.cost_usd) ?? 0n) - (parseUsd(before.cost_usd) ?? 0n));
      expect(used.requests, recording.title).toBe(1);
      if (!recording.stream) expect(told, recording.title).toBe(used.unpriced === 1 ? null : cost);
      rows.push({
        recording: recording.title,
        model: modelOf(recording),
        ...(recording.derived.usage === undefined ? {} : { usage: recording.derived.usage }),
        tokens: {
          uncached: used.prompt_tokens - used.cached_tokens - used.cache_write_tokens,
          cache_read: used.cached_tokens,
          cache_write: used.cache_write_tokens,
          output: used.completion_tokens,
          reasoning: used.reasoning_tokens,
        },
        cost_usd: used.unpriced === 1 ? null : cost,
        ...(used.estimated === 1 ? { estimated: true } : {}),
        ...(used.aborted === 1 ? { aborted: true } : {}),
      });
    }
    const file = path.join(import.meta.dirname, 'golden', `${place}.json`);
    await expect(`${JSON.stringify(rows, null, 2)}\n`).toMatchFileSnapshot(file);
  });
});
