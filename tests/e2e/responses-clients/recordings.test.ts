import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../../http/support/upstream.ts';
import { type RunningGateway, startGateway } from '../../support/gateway.ts';
import { type Recording, recordings } from '../../support/recordings.ts';

// Every recorded answer of a provider without the Responses API, read by a client that checks what it gets: Vercel's AI SDK refuses whole
// answers for one item, part or citation of a kind that it does not know.

/** Providers of the gateway by that of the recording and its API. */
const players: Readonly<Record<string, string>> = {
  'anthropic/messages': 'anthropic',
  'vertex/messages': 'anthropic',
  'gemini/generateContent': 'google',
  'vertex/generateContent': 'google',
  'ollama/api_chat': 'ollama',
  'bedrock/converse': 'bedrock',
  'deepseek/chat': 'deepseek',
  'groq/chat': 'groq',
};
const playerOf = ({ provider, endpoint }: Recording): string => players[`${provider}/${endpoint}`] ?? '';
const played = recordings().filter((one) => playerOf(one) !== '' && one.derived.error === undefined);

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
let playing: Recording;

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    const { status, headers, bytes } = playing.response;
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${status} Replayed\r\n${head.join('')}content-length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes);
  });
  folder = mkdtempSync(path.join(tmpdir(), 'replay-'));
  const file = path.join(folder, 'gateway.yaml');
  const { origin } = upstream;
  writeFileSync(
    file,
    `providers:
  deepseek: { base_url: "${origin}/v1", api_key: k }
  groq: { base_url: "${origin}/v1", api_key: k }
  anthropic: { base_url: "${origin}", api_key: k }
  google: { base_url: "${origin}/v1beta", api_key: k }
  ollama: { base_url: "${origin}" }
  bedrock: { base_url: "${origin}" }
`,
  );
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
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

describe.runIf(played.length > 0)('an answer that was recorded', () => {
  test.each(played.map((one) => [one.title, one] as const))('%s', async (_title, recording) => {
    playing = recording;
    const { text: said = '', thinking = '', tool_calls: calls = [] } = recording.derived;
    const openai = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });
    const asked = {
      model: openai(`${playerOf(recording)}/recorded`),
      prompt: 'Hello',
      maxRetries: 0,
      providerOptions: { openai: { reasoningSummary: 'auto', forceReasoning: true } },
    };
    const result = recording.stream ? streamText(asked) : await generateText(asked);
    if ('fullStream' in result) {
      for await (const part of result.fullStream) if (part.type === 'error') throw part.error;
    }
    const [step] = await result.steps;
    expect(step?.text).toBe(said);
    expect(step?.reasoningText ?? '').toBe(thinking);
    expect(
      step?.toolCalls
        .filter(({ providerExecuted }) => providerExecuted !== true)
        .map(({ toolName }) => toolName),
    ).toEqual(calls.map(({ name }) => name));
  });
});
