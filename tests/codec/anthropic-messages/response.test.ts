import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeMessagesResponse } from '../../../src/codec/anthropic-messages/decode-response.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { recordedMessages } from '../../support/messages-recordings.ts';
import { expectedOf, seenOf } from './support/seen.ts';

type Json = Record<string, unknown>;

const message = (more: Json = {}): Json => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-opus-4-6',
  content: [{ type: 'text', text: 'Hello' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
  ...more,
});
const decode = (json: unknown) => decodeMessagesResponse(json, { provider: 'p' });
const answer = (more: Json) => {
  const response = decode(message(more));
  const [choice] = response.choices;
  return { response, choice, parts: choice?.message?.parts ?? [] };
};
const fails = (json: unknown): GatewayError => {
  try {
    decode(json);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('understood');
};

describe('recorded answers', () => {
  const answers = recordedMessages().filter(({ answer: json, status }) => json !== null && status === 200);
  test.skipIf(answers.length === 0).each(answers.map((exchange) => [exchange.title, exchange] as const))(
    '%s',
    (_title, exchange) => {
      const response = decode(exchange.answer);
      const [choice] = response.choices;
      expect(seenOf(choice?.message?.parts ?? [], choice?.nativeFinishReason ?? '', response.usage)).toEqual(
        expectedOf(exchange),
      );
    },
  );
});

describe('why it ended', () => {
  const call = { type: 'tool_use', id: 't', name: 'f', input: {} };
  test.each<[unknown, unknown[], FinishReason]>([
    ['end_turn', [], FinishReason.STOP],
    ['stop_sequence', [], FinishReason.STOP],
    ['pause_turn', [], FinishReason.STOP],
    ['max_tokens', [], FinishReason.LENGTH],
    ['model_context_window_exceeded', [], FinishReason.LENGTH],
    ['refusal', [], FinishReason.CONTENT_FILTER],
    ['tool_use', [call], FinishReason.TOOL_CALLS],
    ['end_turn', [call], FinishReason.TOOL_CALLS],
    ['max_tokens', [call], FinishReason.LENGTH],
    ['constructor', [], FinishReason.STOP],
    ['', [call], FinishReason.TOOL_CALLS],
    [null, [], FinishReason.UNSPECIFIED],
  ])('%s with %j', (word, content, reason) => {
    const { choice } = answer({ stop_reason: word, content });
    expect(choice?.finishReason).toBe(reason);
    expect(choice?.nativeFinishReason).toBe(word ?? '');
  });

  test('the string at which it stopped is kept', () => {
    const { choice } = answer({ stop_reason: 'stop_sequence', stop_sequence: '###' });
    expect(choice?.extras?.json).toBe('{"stop_sequence":"###"}');
  });
});

describe('tokens', () => {
  const used = (usage: Json) => decode(message({ usage })).usage;

  test('those of the cache are a part of the prompt', () => {
    expect(
      used({
        input_tokens: 10,
        cache_read_input_tokens: 100,
        cache_creation_input_tokens: 1_000,
        output_tokens: 50,
        output_tokens_details: { thinking_tokens: 20, tomorrow: 1 },
      }),
    ).toMatchObject({
      promptTokens: 1_110,
      completionTokens: 50,
      totalTokens: 1_160,
      cachedTokens: 100,
      cacheWriteTokens: 1_000,
      reasoningTokens: 20,
      extras: { json: '{"output_tokens_details":{"tomorrow":1}}' },
    });
  });

  test('what was not told is unset', () => {
    const usage = used({ input_tokens: 10, output_tokens: 5, cache_read_input_tokens: null });
    expect(usage).toMatchObject({ promptTokens: 10, completionTokens: 5 });
    expect(usage).not.toHaveProperty('cachedTokens');
    expect(usage).not.toHaveProperty('reasoningTokens');
    expect(used({ service_tier: 'standard' })).toBeUndefined();
  });

  test('the tier and the rest are kept', () => {
    const usage = { input_tokens: 1, output_tokens: 1, service_tier: 'priority', speed: 'fast' };
    expect(decode(message({ usage }))).toMatchObject({
      serviceTier: 'priority',
      usage: { extras: { json: '{"service_tier":"priority","speed":"fast"}' } },
    });
  });
});

describe('blocks', () => {
  test('thoughts keep their proof byte for byte, without text, too', () => {
    const { parts } = answer({
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'a+/=' },
        { type: 'thinking', thinking: '', signature: 'b+/=' },
        { type: 'redacted_thinking', data: 'c+/=' },
        { type: 'thinking', thinking: 'unsigned' },
      ],
    });
    const format = 'anthropic-claude-v1';
    expect(parts.map(({ content }) => content.value)).toMatchObject([
      { text: 'Hm.', signature: 'a+/=', format },
      { text: '', signature: 'b+/=', format },
      { text: '', encrypted: 'c+/=', format },
      { text: 'unsigned', signature: '', format: '' },
    ]);
  });

  test('calls have their input as text, an id, and what else is said of them', () => {
    const { parts } = answer({
      content: [
        { type: 'tool_use', id: 't1', name: 'f', input: { b: 1, a: null }, caller: { type: 'direct' } },
        { type: 'tool_use', name: 'g' },
      ],
    });
    expect(parts).toMatchObject([
      {
        content: { value: { id: 't1', name: 'f', arguments: '{"b":1,"a":null}' } },
        extras: { json: '{"caller":{"type":"direct"}}' },
      },
      { content: { value: { id: expect.stringMatching(/^call_\w{24}$/), name: 'g', arguments: '{}' } } },
    ]);
  });

  test('null says the same as nothing', () => {
    const { parts, response } = answer({
      container: null,
      content: [
        { type: 'text', text: 'a', citations: null, tomorrow: null },
        { type: 'tool_use', id: 't', name: 'f', input: {}, toolset_name: null },
      ],
    });
    for (const part of parts) expect(part).not.toHaveProperty('extras');
    expect(response).not.toHaveProperty('extras');
  });

  test('web pages that are cited are typed, other sources whole', () => {
    const page = { type: 'web_search_result_location', url: 'https://a', title: 'A', encrypted_index: 'e' };
    const place = { type: 'char_location', cited_text: 'x', document_index: 0 };
    const { parts } = answer({ content: [{ type: 'text', text: 'a', citations: [page, place] }] });
    expect(parts[0]?.content.value).toMatchObject({
      annotations: [
        {
          kind: { case: 'urlCitation', value: { url: 'https://a', title: 'A', startIndex: 0, endIndex: 1 } },
          extras: { json: '{"encrypted_index":"e"}' },
        },
        { kind: { case: 'opaque', value: { type: 'char_location', json: JSON.stringify(place) } } },
      ],
    });
  });

  test('what is not known, or not of its form, is kept whole', () => {
    const content = [
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
      { type: 'text', text: 7 },
      { type: 'tool_use', id: 't' },
      'words',
      null,
    ];
    const { parts } = answer({ content });
    expect(parts.map(({ content: { value } }) => value)).toMatchObject(
      content.map((block) => ({ dialect: 'anthropic.messages', json: JSON.stringify(block) })),
    );
  });
});

describe('what is no answer', () => {
  test.each([
    [
      'an error',
      { type: 'error', error: { type: 'overloaded_error', message: 'm' } },
      ErrorReason.UPSTREAM_OVERLOADED,
    ],
    ['an error of a proxy', { message: 'no' }, ErrorReason.UPSTREAM_FAILED],
    ['no object', [], ErrorReason.UPSTREAM_INVALID],
    ['no content', message({ content: 'Hello' }), ErrorReason.UPSTREAM_INVALID],
  ])('%s', (_what, json, reason) => {
    expect(fails(json)).toMatchObject({ reason, facts: { provider: 'p' } });
  });

  test('any JSON is understood or refused', () => {
    const odd = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, 0, -1, 1.5, '', 'x', true),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom(
            'type',
            'text',
            'thinking',
            'signature',
            'data',
            'id',
            'name',
            'input',
            'citations',
            'url',
            '__proto__',
          ),
          fc.oneof(
            tie('value'),
            fc.constantFrom(
              'text',
              'thinking',
              'redacted_thinking',
              'tool_use',
              'web_search_result_location',
            ),
          ),
        ),
      ),
    })).value;
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.keys(message()), 'error', 'message'), odd),
        (changes) => {
          try {
            decode(message(changes));
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
