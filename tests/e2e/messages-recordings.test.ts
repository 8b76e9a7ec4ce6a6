import { Buffer } from 'node:buffer';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { type Exchange, recordedChats } from '../support/chat-recordings.ts';
import { anthropicClient, type RunningGateway, startGateway } from '../support/gateway.ts';

// What providers of OpenAI's form really answered, as Anthropic's SDK gets it.

const chats = recordedChats();

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let playing: Exchange;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket }) => {
    const { status, headers, text } = playing.response;
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 ${status} Replayed\r\n${head.join('')}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  });
  gateway = await startGateway({ OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1` });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

const stopReasons: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
};

const request: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'openai/recorded',
  max_tokens: 1000,
  messages: [{ role: 'user', content: 'Hello' }],
};

function ask({ sse }: Exchange): Promise<Anthropic.Message> {
  const { messages } = anthropicClient(gateway.url);
  return sse ? messages.stream(request).finalMessage() : messages.create(request);
}

/** What a message says, in the terms of the recordings. */
const seen = ({ content, stop_reason: finish }: Anthropic.Message) => ({
  text: content.map((block) => (block.type === 'text' ? block.text : '')).join(''),
  thinking: content.map((block) => (block.type === 'thinking' ? block.thinking : '')).join(''),
  calls: content.flatMap((block) =>
    block.type === 'tool_use' ? [{ id: block.id, name: block.name, args: block.input }] : [],
  ),
  finish,
});

describe.skipIf(chats.length === 0)('a recorded answer', () => {
  const good = chats.filter(
    ({ response, derived }) => response.status === 200 && derived.error === undefined,
  );
  test.each(good.map((exchange) => [exchange.title, exchange] as const))('%s', async (_title, exchange) => {
    playing = exchange;
    const { derived } = exchange;
    const calls = derived.tool_calls ?? [];
    const message = await ask(exchange);
    expect(seen(message)).toEqual({
      text: derived.text ?? '',
      thinking: derived.thinking ?? '',
      calls: calls.map(({ id, name, args }) => ({ id, name, args })),
      finish:
        stopReasons[calls.length > 0 && derived.finish === 'stop' ? 'tool_calls' : (derived.finish ?? '')],
    });
    if (derived.usage === undefined) return;
    const {
      input_tokens: fresh,
      cache_read_input_tokens: read,
      cache_creation_input_tokens: written,
    } = message.usage;
    expect(fresh + (read ?? 0) + (written ?? 0)).toBe(derived.usage.prompt_tokens);
  });

  const bad = chats.filter(({ response }) => response.status >= 400);
  test.each(bad.map((exchange) => [exchange.title, exchange] as const))('%s', async (_title, exchange) => {
    playing = exchange;
    const error = await ask(exchange).catch((reason) => reason);
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(error.status).toBeGreaterThanOrEqual(400);
    expect(error.type).toMatch(/_error$/);
  });
});
