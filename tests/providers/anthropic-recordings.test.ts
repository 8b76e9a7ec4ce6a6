import { Buffer } from 'node:buffer';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import { expectedOf, type Seen, seenOf } from '../codec/anthropic-messages/support/seen.ts';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { chatClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { type MessagesExchange, recordedMessages } from '../support/messages-recordings.ts';

// What Claude really answered, on any host, as clients of the other faces get it.

const exchanges = recordedMessages();

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
let playing: MessagesExchange;
let asked: Record<string, unknown>;
let head: string;

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(async (request) => {
    asked = JSON.parse(request.body);
    head = request.head;
    const { frames, answer, status } = playing;
    const body =
      frames === null
        ? JSON.stringify(answer)
        : frames.map((data) => `event: ${JSON.parse(data).type}\ndata: ${data}\n\n`).join('');
    const type = frames === null ? 'application/json' : 'text/event-stream; charset=utf-8';
    request.socket.write(
      `HTTP/1.1 ${status} Replayed\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`,
    );
    for (const piece of pieces(Buffer.from(body))) {
      request.socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  folder = mkdtempSync(path.join(tmpdir(), 'anthropic-'));
  const file = path.join(folder, 'gateway.yaml');
  const azure = `  azure:\n    form: anthropic\n    base_url: ${upstream.origin}/anthropic\n    headers: { api-key: a }\n`;
  writeFileSync(file, `providers:\n${azure}`);
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    LLM_GATEWAY_ANTHROPIC_BASE_URL: upstream.origin,
    ANTHROPIC_API_KEY: 'k',
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A body cut at places that look random and are the same in every run, in the middle of characters, too. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  let state = bytes.length;
  for (let at = 0; at < bytes.length; ) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const size = 1 + (state % 197);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const request = {
  model: 'anthropic/claude-sonnet-4-5',
  messages: [{ role: 'user' as const, content: 'Hello' }],
};

/** OpenAI's words for Anthropic's. */
const finishes: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
};
/** The same exchange as it has to be told in OpenAI's words; the tokens written to a cache have no place there that its SDK knows. */
const expected = (exchange: MessagesExchange): Seen => {
  const seen = expectedOf(exchange);
  return { ...seen, finish: finishes[seen.finish] ?? '' };
};

async function overRest({ frames }: MessagesExchange): Promise<Seen> {
  const client = openaiClient(gateway.url);
  let thinking = '';
  let completion: OpenAI.ChatCompletion;
  interface Reasoning {
    reasoning_content?: string;
  }
  if (frames !== null) {
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
    stream.on('chunk', ({ choices }) => {
      thinking += (choices[0]?.delta as Reasoning | undefined)?.reasoning_content ?? '';
    });
    completion = await stream.finalChatCompletion();
  } else {
    completion = await client.chat.completions.create(request);
    thinking = (completion.choices[0]?.message as Reasoning | undefined)?.reasoning_content ?? '';
  }
  const [choice] = completion.choices;
  const { usage } = completion;
  const details = usage?.prompt_tokens_details as
    | { cached_tokens?: number; cache_write_tokens?: number }
    | undefined;
  return {
    text: choice?.message.content ?? '',
    thinking,
    toolCalls: (choice?.message.tool_calls ?? []).map((call) => {
      if (call.type !== 'function') throw new Error('not a function');
      return { id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) };
    }),
    finish: choice?.finish_reason ?? '',
    usage:
      usage === undefined || usage === null
        ? null
        : {
            prompt: usage.prompt_tokens,
            completion: usage.completion_tokens,
            total: usage.total_tokens,
            cached: details?.cached_tokens ?? 0,
            written: details?.cache_write_tokens ?? 0,
            reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
          },
  };
}

const words = ['', 'stop', 'length', 'tool_calls', 'content_filter', 'function_call'];

async function overGrpc({ frames }: MessagesExchange): Promise<Seen> {
  const client = chatClient('gRPC', gateway.url);
  const { $typeName: _name, ...fields } = decodeChatRequest(request).request;
  if (frames === null) {
    const { choices, usage } = await client.createChatCompletion(fields);
    return seenOf(choices[0]?.message?.parts ?? [], words[choices[0]?.finishReason ?? 0] ?? '', usage);
  }
  const parts: Part[] = [];
  let finish = '';
  for await (const { event } of client.streamChatCompletion(fields)) {
    if (event.case === 'partStarted') parts[event.value.part] = event.value.content as Part;
    else if (event.case === 'delta') grow(parts[event.value.part], event.value.text);
    else if (event.case === 'choiceFinished') finish = words[event.value.finishReason] ?? '';
    else if (event.case === 'finished') return seenOf(parts, finish, event.value.usage);
  }
  throw new Error('the stream ended without its end');
}

function grow(part: Part | undefined, text: string): void {
  const content = part?.content;
  if (content?.case === 'toolCall') content.value.arguments += text;
  else if (content?.case === 'text' || content?.case === 'reasoning') content.value.text += text;
}

describe.skipIf(exchanges.length === 0)('a recorded answer', () => {
  const good = exchanges.filter(({ status }) => status === 200);

  describe.each([
    ['REST', overRest],
    ['gRPC', overGrpc],
  ] as const)('over %s', (_face, ask) => {
    test.each(good.map((exchange) => [exchange.title, exchange] as const))('%s', async (_title, exchange) => {
      playing = exchange;
      expect(await ask(exchange)).toEqual(expected(exchange));
      expect(asked).toMatchObject({
        model: 'claude-sonnet-4-5',
        max_tokens: 64_000,
        messages: [{ role: 'user', content: 'Hello' }],
      });
    });
  });

  const bad = exchanges.filter(({ status }) => status >= 400);
  test.each(bad.map((exchange) => [exchange.title, exchange] as const))(
    'error: %s',
    async (_title, exchange) => {
      playing = exchange;
      const error = await openaiClient(gateway.url)
        .chat.completions.create(request)
        .catch((cause: unknown) => cause);
      // The key is the gateway's, so that its refusal is not the client's.
      expect(error).toBeInstanceOf(OpenAI.APIError);
      expect(error).toMatchObject({ status: 502 });
      expect(String(error)).toContain(String(exchange.answer?.['message']).slice(0, 20));
    },
  );

  test('from another host of the same form', async () => {
    const whole = good.find(({ frames }) => frames === null) as MessagesExchange;
    playing = whole;
    const completion = await openaiClient(gateway.url).chat.completions.create({
      ...request,
      model: 'azure/claude-opus-5',
    });
    expect(completion.choices[0]?.message.content).toBe(expected(whole).text);
    expect(head).toMatch(/^POST \/anthropic\/v1\/messages HTTP/);
    expect(head).toMatch(/^api-key: a\r?$/im);
  });

  test('to a request with hints that the model does not take says which', async () => {
    playing = good.find(({ frames }) => frames === null) as MessagesExchange;
    const { response } = await openaiClient(gateway.url)
      .chat.completions.create({ ...request, model: 'claude-opus-5', temperature: 0.5, seed: 1, user: 'me' })
      .withResponse();
    expect(response.headers.get('x-dropped-params')?.split(', ').sort()).toEqual(['seed', 'temperature']);
    expect(asked).toMatchObject({ metadata: { user_id: 'me' } });
    expect(asked).not.toHaveProperty('temperature');
  });
});

test('without a key the variable to set is named', async () => {
  const keyless = await startGateway();
  try {
    const error = await openaiClient(keyless.url)
      .chat.completions.create({ ...request, model: 'claude-opus-4-6' })
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ status: 400, code: 'provider_not_configured' });
    expect(String(error)).toContain('ANTHROPIC_API_KEY');
  } finally {
    await keyless.stop();
  }
});
