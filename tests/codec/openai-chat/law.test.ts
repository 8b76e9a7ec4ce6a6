import { describe, expect, test } from 'vitest';
import { decodeChatRequest } from '../../../src/codec/openai-chat/decode-request.ts';
import { decodeChatResponse } from '../../../src/codec/openai-chat/decode-response.ts';
import { ChatStreamDecoder } from '../../../src/codec/openai-chat/decode-stream.ts';
import { dialect } from '../../../src/codec/openai-chat/dialect.ts';
import { encodeChatRequest } from '../../../src/codec/openai-chat/encode-request.ts';
import { encodeChatResponse } from '../../../src/codec/openai-chat/encode-response.ts';
import { ChatStreamEncoder } from '../../../src/codec/openai-chat/encode-stream.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { type Exchange, recordedChats } from '../../support/chat-recordings.ts';

// encode(decode(json)) equals json, for everything that was recorded of this dialect. Null says the same as nothing.

const chats = recordedChats();

/** The dialect in which a provider's recorded requests were written. */
const written = dialect({
  maxTokens: 'as-given',
  historyReasoning: 'send',
  streamUsage: false,
  cacheMarker: 'cache_control',
});
const dialectOf = (provider: string) =>
  provider === 'openrouter' ? { ...written, reasoningKey: 'reasoning' as const } : written;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]));
}

/** What the gateway's own conventions change in an answer, on purpose. */
function conventions(exchange: Exchange, json: Json): Json {
  const body = structuredClone(json) as {
    choices: { finish_reason?: string; native_finish_reason?: string; message: Record<string, Json> }[];
    usage?: {
      prompt_tokens: number;
      completion_tokens: number;
      total_tokens: number;
      completion_tokens_details?: { reasoning_tokens?: number };
    };
  };
  for (const { message } of body.choices) {
    // OpenRouter's name for it.
    if ('reasoning' in message) {
      message['reasoning_content'] = message['reasoning'] as Json;
      delete message['reasoning'];
    }
  }
  if (exchange.provider === 'xai' && body.usage !== undefined) {
    // Reasoning is a part of the completion.
    body.usage.completion_tokens = body.usage.total_tokens - body.usage.prompt_tokens;
  }
  return body as unknown as Json;
}

describe.skipIf(chats.length === 0)('the law', () => {
  const requests = chats.filter(({ request }) => request !== null);
  test.each(requests.map((exchange) => [exchange.title, exchange] as const))(
    'request: %s',
    (_title, exchange) => {
      const recorded = exchange.request as { [key: string]: Json };
      const { request, stream, includeUsage } = decodeChatRequest(structuredClone(recorded));
      expect(request.model).toBe(recorded['model']);
      const { body, warnings } = encodeChatRequest(request, {
        model: String(recorded['model']),
        stream,
        dialect: dialectOf(exchange.provider),
      });
      expect(warnings).toEqual([]);
      const { stream_options: options, ...rest } = withoutNulls(recorded) as { [key: string]: Json };
      // Whether a stream ends with usage is the client's wish of the face, and the gateway's of the provider.
      expect(includeUsage).toBe((options as { include_usage?: boolean } | undefined)?.include_usage ?? false);
      if (rest['stream'] === false) delete rest['stream'];
      expect(withoutNulls(JSON.parse(body))).toEqual(rest);
    },
  );

  test.each(requests.map((exchange) => [exchange.title, exchange] as const))(
    'same request, same bytes: %s',
    (_title, exchange) => {
      const options = { model: 'm', stream: false, dialect: dialectOf(exchange.provider) };
      const encode = () =>
        encodeChatRequest(decodeChatRequest(structuredClone(exchange.request)).request, options).body;
      expect(encode()).toBe(encode());
      const schemas = (exchange.request?.['tools'] ?? []) as { function?: { parameters?: Json } }[];
      for (const { function: tool } of schemas) expect(encode()).toContain(JSON.stringify(tool?.parameters));
    },
  );

  const answers = chats.filter(({ sse, response }) => !sse && response.status === 200);
  test.each(answers.map((exchange) => [exchange.title, exchange] as const))(
    'answer: %s',
    (_title, exchange) => {
      const recorded = JSON.parse(exchange.response.text) as Json;
      const decoded = decodeChatResponse(recorded, { provider: exchange.provider });
      const encoded = JSON.parse(encodeChatResponse(decoded)) as Json;
      expect(withoutNulls(encoded)).toEqual(withoutNulls(conventions(exchange, recorded)));
    },
  );

  // A stream's chunks are cut anew, so that the law holds for what they add up to, and for every member that has no event.
  const streams = chats.filter(({ sse }) => sse);
  test.each(streams.map((exchange) => [exchange.title, exchange] as const))(
    'stream: %s',
    (_title, exchange) => {
      const recorded = chunksOf(exchange.response.text);
      const decoder = new ChatStreamDecoder({ provider: exchange.provider });
      const events: StreamEvent[] = [];
      for (const chunk of recorded) decoder.push(JSON.stringify(chunk), events);
      decoder.end(events);
      const encoded = chunksOf(new ChatStreamEncoder({ includeUsage: true }).encode(events));
      expect(sumOf(encoded)).toEqual(sumOf(recorded));
      expect([...oddMembers(encoded)].sort()).toEqual([...oddMembers(recorded)].sort());
    },
  );
});

interface Chunk {
  [key: string]: unknown;
  choices?: { [key: string]: unknown; delta?: Record<string, unknown>; finish_reason?: string | null }[];
}

const chunksOf = (text: string): Chunk[] =>
  text
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as Chunk);

/** What the chunks of a stream add up to. */
function sumOf(chunks: readonly Chunk[]) {
  const sum = {
    content: '',
    reasoning: '',
    refusal: '',
    calls: new Map<unknown, { id: string; name: string; args: string }>(),
    finish: new Set<string>(),
  };
  for (const { choices = [] } of chunks) {
    for (const { delta = {}, finish_reason: finish } of choices) {
      sum.content += (delta['content'] as string | null | undefined) ?? '';
      sum.reasoning +=
        ((delta['reasoning_content'] ?? delta['reasoning']) as string | null | undefined) ?? '';
      sum.refusal += (delta['refusal'] as string | null | undefined) ?? '';
      for (const call of (delta['tool_calls'] ?? []) as {
        index: number;
        id?: string;
        function: { name?: string; arguments?: string | null };
      }[]) {
        const { name = '', arguments: args } = call.function;
        const known = sum.calls.get(call.index) ?? { id: '', name: '', args: '' };
        sum.calls.set(call.index, {
          id: known.id + (call.id ?? ''),
          name: known.name + name,
          args: known.args + (args ?? ''),
        });
      }
      if (finish) sum.finish.add(finish);
    }
  }
  // A call without arguments has an empty object of them, by our own convention.
  for (const call of sum.calls.values()) call.args ||= '{}';
  return sum;
}

const ofChunk = new Set([
  'id',
  'object',
  'created',
  'model',
  'choices',
  'usage',
  'service_tier',
  'system_fingerprint',
  'obfuscation',
]);
const ofChoice = new Set(['index', 'delta', 'finish_reason', 'native_finish_reason', 'logprobs']);
const ofDelta = new Set([
  'role',
  'content',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'refusal',
  'tool_calls',
]);

/** Members that the model has no field for, with their values. */
function oddMembers(chunks: readonly Chunk[]): Set<string> {
  const odd = new Set<string>();
  const add = (place: string, object: Record<string, unknown>, known: ReadonlySet<string>) => {
    for (const [key, value] of Object.entries(object)) {
      if (!known.has(key) && value !== null) odd.add(`${place}.${key}=${JSON.stringify(value)}`);
    }
  };
  for (const chunk of chunks) {
    add('chunk', chunk, ofChunk);
    for (const choice of chunk.choices ?? []) {
      add('choice', choice, ofChoice);
      add('delta', choice.delta ?? {}, ofDelta);
    }
  }
  return odd;
}
