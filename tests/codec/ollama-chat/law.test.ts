import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeChatRequest } from '../../../src/codec/ollama-chat/encode-request.ts';
import { decodeOllamaRequest } from './support/decode-request.ts';
import { recorded, recordedEndpoints, replayed } from './support/recordings.ts';

// encode(decode(json)) equals json, for what was recorded and for anything of the form. Members that are empty say nothing.

type Json = Record<string, unknown>;

const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || (Array.isArray(value) && value.length === 0);

/** `stream` is true where it is left out; other members that are empty are the same as none. */
const meaning = (json: Json): Json => ({
  stream: true,
  ...Object.fromEntries(Object.entries(json).filter(([, value]) => !isEmpty(value))),
});

function rewritten(json: Json) {
  const { request, stream } = decodeOllamaRequest(structuredClone(json));
  return encodeChatRequest(request, { model: String(json['model']), stream });
}

test('every recorded endpoint is replayed, or it is said why not', () => {
  for (const endpoint of recordedEndpoints()) expect(Object.keys(replayed)).toContain(endpoint);
});

const chats = recorded('api_chat');
describe.skipIf(chats.length === 0)('recorded requests', () => {
  test.each(chats.map((exchange) => [exchange.title, exchange.request] as const))('%s', (_title, json) => {
    const { body, warnings } = rewritten(meaning(json));
    expect(warnings).toEqual([]);
    expect(JSON.parse(body)).toEqual(meaning(json));
    expect(rewritten(meaning(json)).body).toBe(body);
    for (const tool of (json['tools'] ?? []) as { function: { parameters: unknown } }[]) {
      expect(body).toContain(JSON.stringify(tool.function.parameters));
    }
  });
});

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const name = fc.stringMatching(/^[a-z]{1,8}$/);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const anyObject = fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 });
const call = fc.record(
  {
    id: name,
    function: fc.record(
      { index: fc.nat(5), name, arguments: anyObject },
      { requiredKeys: ['name', 'arguments'] },
    ),
  },
  { requiredKeys: ['function'] },
);
const message = fc.oneof(
  fc.record({ role: fc.constantFrom('system', 'user'), content: text }),
  fc.record({
    role: fc.constant('user'),
    content: text,
    images: fc.array(fc.base64String({ minLength: 4, maxLength: 16 }), { minLength: 1, maxLength: 2 }),
  }),
  fc.record(
    {
      role: fc.constant('assistant'),
      content: text,
      thinking: fc.string({ minLength: 1, maxLength: 20 }),
      tool_calls: fc.array(call, { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ['role', 'content'] },
  ),
  fc.record(
    { role: fc.constant('tool'), content: text, tool_name: name, tool_call_id: name },
    { requiredKeys: ['role', 'content', 'tool_name'] },
  ),
);
const request = fc.record(
  {
    model: name,
    messages: fc.array(message, { minLength: 1, maxLength: 5 }),
    stream: fc.boolean(),
    format: fc.oneof(fc.constant('json'), fc.record({ type: fc.constant('object'), properties: anyObject })),
    options: fc
      .record(
        {
          temperature: fc.double({ min: 0, max: 2, noNaN: true }),
          top_p: fc.double({ min: 0, max: 1, noNaN: true }),
          top_k: fc.nat(100),
          num_predict: fc.integer({ min: 1, max: 4096 }),
          stop: fc.array(text, { minLength: 1, maxLength: 4 }),
          seed: fc.nat(),
          presence_penalty: fc.double({ min: -2, max: 2, noNaN: true }),
          frequency_penalty: fc.double({ min: -2, max: 2, noNaN: true }),
          num_ctx: fc.nat(65_536),
          repeat_penalty: fc.double({ min: 0, max: 2, noNaN: true }),
        },
        { requiredKeys: [] },
      )
      .filter((options) => Object.keys(options).length > 0),
    think: fc.constantFrom<unknown>(true, false, 'low', 'extreme'),
    keep_alive: fc.constantFrom<unknown>('5m', 0, -1),
    logprobs: fc.boolean(),
    top_logprobs: fc.nat(20),
    tools: fc.array(
      fc.record({
        type: fc.constant('function'),
        function: fc.record({ name, description: fc.string({ minLength: 1 }), parameters: anyObject }),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  },
  { requiredKeys: ['model', 'messages', 'stream'] },
);

test('any request of the form is written as it was read', () => {
  fc.assert(
    fc.property(request, optional(anyObject), (json, more) => {
      // Unknown members pass; a prefix keeps them from being known by accident.
      const odd = Object.fromEntries(Object.entries(more ?? {}).map(([key, value]) => [`x_${key}`, value]));
      const whole = JSON.parse(JSON.stringify({ ...json, ...odd })) as Json;
      const { body, warnings } = rewritten(whole);
      expect(warnings).toEqual([]);
      expect(JSON.parse(body)).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});
