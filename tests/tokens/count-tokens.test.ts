import { describe, expect, test } from 'vitest';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import { countTokens, maxExact } from '../../src/tokens/count-tokens.ts';
import { estimateTokens } from '../../src/tokens/estimate.ts';
import { type Exchange, recordedChats } from '../support/chat-recordings.ts';

const count = (model: string, body: Record<string, unknown>) =>
  countTokens(decodeChatRequest({ model, ...body }).request, { provider: 'p', upstreamModel: model });
const ask = (content: string) => ({ messages: [{ role: 'user', content }] });

// The examples of OpenAI's cookbook, "How to count tokens with tiktoken", with what the API counted.
const jargon = {
  messages: [
    {
      role: 'system',
      content:
        'You are a helpful, pattern-following assistant that translates corporate jargon into plain English.',
    },
    { role: 'system', name: 'example_user', content: 'New synergies will help drive top-line growth.' },
    {
      role: 'system',
      name: 'example_assistant',
      content: 'Things working well together will increase revenue.',
    },
    {
      role: 'system',
      name: 'example_user',
      content:
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    },
    {
      role: 'system',
      name: 'example_assistant',
      content: "Let's talk later when we're less busy about how to do better.",
    },
    {
      role: 'user',
      content: "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
  ],
};
const weather = {
  messages: [
    {
      role: 'system',
      content: 'You are a helpful assistant that can answer to questions about the weather.',
    },
    { role: 'user', content: "What's the weather like in San Francisco?" },
  ],
  tools: [
    {
      type: 'function',
      function: {
        name: 'get_current_weather',
        description: 'Get the current weather in a given location',
        parameters: {
          type: 'object',
          properties: {
            location: { type: 'string', description: 'The city and state, e.g. San Francisco, CA' },
            unit: {
              type: 'string',
              description: 'The unit of temperature to return',
              enum: ['celsius', 'fahrenheit'],
            },
          },
          required: ['location'],
        },
      },
    },
  ],
};

test.each([
  ['gpt-4', jargon, 129, 'cl100k_base'],
  ['gpt-4o', jargon, 124, 'o200k_base'],
  ['gpt-4', weather, 105, 'cl100k_base'],
  ['gpt-4o', weather, 101, 'o200k_base'],
])('the published count for %s', (model, body, tokens, method) => {
  expect(count(model, body)).toEqual({ tokens, method });
});

/** How far the count may be from the provider's, by what is in the request. Pictures and sound are told by their size only. */
function tolerance({ request }: Exchange, prompt: number): number {
  const text = JSON.stringify(request);
  if (/image_url|input_audio/.test(text)) return prompt * 0.2;
  // Other hosts put the calls of a gpt-oss's history differently.
  if (/gpt-oss/.test(text)) return prompt * 0.25;
  return /"tools"|response_format/.test(text) ? 10 : 1;
}

const recorded = recordedChats().flatMap((exchange) => {
  const { request, derived } = exchange;
  if (request === null || derived.usage === undefined) return [];
  const model = String(request['model']);
  const counted = count(model, request);
  if (counted.method === 'estimate') return [];
  return [{ exchange, title: exchange.title, model, counted, prompt: derived.usage.prompt_tokens }];
});

describe.skipIf(recorded.length === 0)('what providers counted', () => {
  test.each(recorded)('$title: $prompt', ({ exchange, counted, prompt }) => {
    expect(Math.abs(counted.tokens - prompt)).toBeLessThanOrEqual(tolerance(exchange, prompt));
  });
});

describe('a long text', () => {
  const prose = 'The quick brown fox jumps over the lazy dog, and nobody minds at all. ';

  test('is counted by samples, always the same ones', () => {
    const exact = count('gpt-4o', ask(prose.repeat(Math.floor(maxExact / prose.length))));
    expect(exact.method).toBe('o200k_base');
    const long = count('gpt-4o', ask(prose.repeat(Math.floor(maxExact / prose.length) * 10)));
    expect(long.method).toBe('o200k_base_sampled');
    expect(Math.abs(long.tokens / (exact.tokens * 10) - 1)).toBeLessThan(0.02);
    expect(count('gpt-4o', ask(prose.repeat(Math.floor(maxExact / prose.length) * 10)))).toEqual(long);
  });

  test.each([
    ['prose', prose],
    ['one letter', 'a'],
    ['spaces', ' '],
    ['letters without spaces', 'qwkzjxvbplmtrdg'],
    ['Chinese', '这是一个测试文本，用来测量分词速度。'],
    ['signs', '{"[<'],
  ])('of 10 MB of %s does not stop the process', (_what, piece) => {
    count('gpt-4o', ask('loads the tokenizer'));
    const text = piece.repeat(10_000_000 / piece.length);
    const began = performance.now();
    count('gpt-4o', ask(text));
    expect(performance.now() - began).toBeLessThan(500);
  });

  test('in many messages is long, too', () => {
    const messages = Array.from({ length: 4_000 }, () => ({ role: 'user', content: prose }));
    expect(count('gpt-4o', { messages }).method).toBe('o200k_base_sampled');
  });
});

describe('the estimate', () => {
  test.each([
    ['qwen2.5-7b', 3.5],
    ['codellama-13b', 3.8],
    ['DeepSeek-R1', 3.2],
    ['llama-3.2-3b', 3.5],
    ['claude-opus-4.5', 3.8],
    ['gemini-2.5-pro', 4],
    ['phi-4', 4],
  ])('for %s', (model, ratio) => {
    const { tokens, method } = count(model, {
      messages: [
        { role: 'system', content: 'x'.repeat(500) },
        { role: 'user', content: [{ type: 'text', text: 'y'.repeat(501) }] },
      ],
    });
    expect({ tokens, method }).toEqual({ tokens: Math.floor(1001 / ratio) + 8, method: 'estimate' });
    expect(estimateTokens(1001, 2, model)).toBe(tokens);
  });

  test('includes tools, calls and pictures', () => {
    const { tokens } = count('claude-opus-4.5', ask('Hi'));
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"city":"Paris"}' } };
    const messages = [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: 'rainy' },
    ];
    expect(count('claude-opus-4.5', { messages, tools: weather.tools }).tokens).toBeGreaterThan(
      tokens + 765 + 60,
    );
  });
});

test('no schema is too odd', () => {
  const deep = `${'{"items":'.repeat(5_000)}{}${'}'.repeat(5_000)}`;
  const request = decodeChatRequest({ model: 'gpt-4o', ...weather }).request;
  for (const parametersJson of [
    '',
    'null',
    '[]',
    'not json',
    '{"properties":{"a":1,"b":{"enum":[null,{}]}}}',
    deep,
  ]) {
    const [tool] = request.tools;
    if (tool?.kind.case === 'function') tool.kind.value.parametersJson = parametersJson;
    expect(countTokens(request, { provider: 'openai', upstreamModel: 'gpt-4o' }).tokens).toBeGreaterThan(40);
  }
});
