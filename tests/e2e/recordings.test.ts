import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FinishReason, type Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { type Exchange, recordedChats } from '../support/chat-recordings.ts';
import { chatClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

const chats = recordedChats();
const providers = ['openai', 'azure', 'groq', 'deepseek', 'openrouter', 'xai', 'llamacpp'];

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
/** What the upstream answers next, and what it was asked. */
let playing: Exchange;
let asked: Record<string, unknown>;

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(async ({ socket, body }) => {
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked = JSON.parse(body);
    const { status, headers, text } = playing.response;
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `HTTP/1.1 ${status} Replayed\r\n${head.join('')}content-length: ${Buffer.byteLength(text)}\r\n\r\n`,
    );
    for (const piece of pieces(Buffer.from(text))) {
      socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  folder = mkdtempSync(path.join(tmpdir(), 'replay-'));
  const file = path.join(folder, 'gateway.yaml');
  const entry = (name: string, more = '') =>
    `  ${name}:\n    base_url: ${upstream.origin}/v1\n    api_key: k\n${more}`;
  const yaml = [
    'providers:',
    ...providers.map((name) =>
      entry(
        name,
        name === 'groq' ? '    dialect: { history_annotations: drop, developer_role: system }\n' : '',
      ),
    ),
  ];
  writeFileSync(file, yaml.join('\n'));
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    // What is sent is compared with what was recorded, where nothing had been added to the client's words.
    LLM_GATEWAY_REASONING_STATE_MAX_BYTES: '0',
    LLM_GATEWAY_LLAMACPP_BASE_URL: `${upstream.origin}/v1`,
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
    const size = 1 + (state % 97);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** An answer reduced to what a recording tells of it. */
interface Seen {
  text: string;
  thinking: string;
  toolCalls: { id: string; name: string; args: unknown }[];
  finish: string | null;
  usage: { prompt: number; completion: number; total: number; cached: number; reasoning: number } | null;
}

function expectedOf({ derived, provider }: Exchange): Seen {
  const { usage } = derived;
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  const prompt = usage?.prompt_tokens ?? 0;
  // xAI counts reasoning beside the completion; ours is OpenAI's meaning, in which it is a part.
  const beside =
    provider === 'xai' &&
    usage !== undefined &&
    usage.total_tokens === prompt + usage.completion_tokens + reasoning;
  const completion = (usage?.completion_tokens ?? 0) + (beside ? reasoning : 0);
  return {
    text: derived.text ?? '',
    thinking: derived.thinking ?? '',
    toolCalls: (derived.tool_calls ?? []).map(({ id, name, args }) => ({ id, name, args })),
    finish:
      (derived.tool_calls ?? []).length > 0 && derived.finish === 'stop'
        ? 'tool_calls'
        : (derived.finish ?? null),
    usage:
      usage === undefined
        ? null
        : {
            prompt,
            completion,
            total: usage.total_tokens,
            cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
            reasoning,
          },
  };
}

const parsed = (args: string): unknown => JSON.parse(args);

/** Model by which the gateway sends a recorded request to its provider. */
const modelOf = ({ provider, request }: Exchange): string =>
  `${provider}/${request?.['model'] ?? 'recorded-model'}`;

function requestOf(exchange: Exchange): Record<string, unknown> {
  const { request, sse } = exchange;
  const { model: _model, ...rest } = request ?? { messages: [{ role: 'user', content: 'Hello' }] };
  return {
    ...rest,
    model: modelOf(exchange),
    ...(sse
      ? { stream: true, stream_options: { include_usage: true } }
      : { stream: undefined, stream_options: undefined }),
  };
}

interface ReasoningMessage {
  reasoning_content?: string;
}

async function overRest(exchange: Exchange): Promise<Seen> {
  const client = openaiClient(gateway.url);
  let thinking = '';
  let completion: OpenAI.ChatCompletion;
  if (exchange.sse) {
    const stream = client.chat.completions.stream(requestOf(exchange) as never);
    stream.on('chunk', (chunk) => {
      thinking += (chunk.choices[0]?.delta as ReasoningMessage | undefined)?.reasoning_content ?? '';
    });
    completion = await stream.finalChatCompletion();
  } else {
    completion = await client.chat.completions.create(requestOf(exchange) as never);
    thinking = (completion.choices[0]?.message as ReasoningMessage | undefined)?.reasoning_content ?? '';
  }
  const [choice] = completion.choices;
  const { usage } = completion;
  return {
    text: choice?.message.content ?? '',
    thinking,
    toolCalls: (choice?.message.tool_calls ?? []).map((call) => {
      if (call.type !== 'function') throw new Error('not a function');
      return { id: call.id, name: call.function.name, args: parsed(call.function.arguments) };
    }),
    finish: choice?.finish_reason ?? null,
    usage: usage
      ? {
          prompt: usage.prompt_tokens,
          completion: usage.completion_tokens,
          total: usage.total_tokens,
          cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
          reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
        }
      : null,
  };
}

const finishName = (reason: FinishReason): string => FinishReason[reason].toLowerCase();
const usageOf = (usage: Usage | undefined): Seen['usage'] =>
  usage === undefined
    ? null
    : {
        prompt: usage.promptTokens,
        completion: usage.completionTokens,
        total: usage.totalTokens,
        cached: usage.cachedTokens ?? 0,
        reasoning: usage.reasoningTokens ?? 0,
      };

async function overGrpc(exchange: Exchange): Promise<Seen> {
  const client = chatClient('gRPC', gateway.url);
  const { request } = decodeChatRequest(requestOf(exchange));
  const { $typeName: _name, ...fields } = request;
  const seen: Seen = { text: '', thinking: '', toolCalls: [], finish: null, usage: null };
  const parts: Part[] = [];
  if (exchange.sse) {
    for await (const { event } of client.streamChatCompletion(fields)) {
      if (event.case === 'partStarted') parts[event.value.part] = event.value.content as Part;
      else if (event.case === 'delta') grow(parts[event.value.part], event.value.text);
      else if (event.case === 'choiceFinished') seen.finish = finishName(event.value.finishReason);
      else if (event.case === 'finished') seen.usage = usageOf(event.value.usage);
    }
  } else {
    const response = await client.createChatCompletion(fields);
    const [choice] = response.choices;
    parts.push(...(choice?.message?.parts ?? []));
    seen.finish = finishName(choice?.finishReason ?? 0);
    seen.usage = usageOf(response.usage);
  }
  for (const { content } of parts) {
    if (content.case === 'text') seen.text += content.value.text;
    if (content.case === 'reasoning') seen.thinking += content.value.text;
    if (content.case === 'toolCall') {
      const { id, name, arguments: args } = content.value;
      seen.toolCalls.push({ id, name, args: parsed(args) });
    }
  }
  return seen;
}

function grow(part: Part | undefined, text: string): void {
  const content = part?.content;
  if (content?.case === 'toolCall') content.value.arguments += text;
  else if (content?.case === 'text' || content?.case === 'reasoning' || content?.case === 'refusal') {
    content.value.text += text;
  }
}

/** A request without what is the gateway's own business, and without nulls, which say nothing. */
function meaning(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meaning);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return Object.fromEntries(entries.map(([name, member]) => [name, meaning(member)]));
}

/** Members of a recorded request that go upstream in another form, by the provider's dialect. */
function adjusted(exchange: Exchange): Record<string, unknown> {
  const {
    model: _model,
    stream: _stream,
    stream_options: _options,
    ...request
  } = meaning(exchange.request) as Record<string, unknown>;
  const limit = request['max_tokens'] ?? request['max_completion_tokens'];
  delete request['max_tokens'];
  delete request['max_completion_tokens'];
  return limit === undefined ? request : { ...request, limit };
}

describe.skipIf(chats.length === 0)('recorded chats', () => {
  const good = chats.filter(({ derived }) => derived.error === undefined);
  const bad = chats.filter(({ derived }) => derived.error !== undefined);

  test('there are some of every provider', () => {
    expect(new Set(chats.map(({ provider }) => provider))).toEqual(new Set(providers));
  });

  describe.each([
    ['REST', overRest],
    ['gRPC', overGrpc],
  ] as const)('over %s', (_face, call) => {
    test.each(good.map((exchange) => [exchange.title, exchange] as const))('%s', async (_title, exchange) => {
      playing = exchange;
      expect(await call(exchange)).toEqual(expectedOf(exchange));
      if (exchange.request === null) return;
      expect(adjusted({ ...exchange, request: asked })).toEqual(adjusted(exchange));
      expect(asked['model']).toBe(exchange.request['model']);
    });
  });

  test.each(bad.map((exchange) => [exchange.title, exchange] as const))(
    'error: %s',
    async (_title, exchange) => {
      playing = exchange;
      const error = await overRest(exchange).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(OpenAI.APIError);
      const { status, message } = error as InstanceType<typeof OpenAI.APIError>;
      // The key is the gateway's, so that its refusal is not the client's 401.
      const told = exchange.response.status === 401 ? 502 : exchange.response.status;
      expect(status).toBe(told);
      if (told !== 502) expect(message).toContain(String(exchange.derived.error?.message).slice(0, 40));
    },
  );
});
