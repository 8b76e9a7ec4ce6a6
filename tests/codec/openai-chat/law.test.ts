import { describe, expect, test } from 'vitest';
import { decodeChatRequest } from '../../../src/codec/openai-chat/decode-request.ts';
import { decodeChatResponse } from '../../../src/codec/openai-chat/decode-response.ts';
import { dialect } from '../../../src/codec/openai-chat/dialect.ts';
import { encodeChatRequest } from '../../../src/codec/openai-chat/encode-request.ts';
import { encodeChatResponse } from '../../../src/codec/openai-chat/encode-response.ts';
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
});
