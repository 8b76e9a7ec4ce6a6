import type Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from 'vitest';
import { FinishReason, type Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { encodeMessagesResponse } from '../../../src/codec/anthropic-messages/encode-response.ts';
import * as build from '../../../src/model/build.ts';

const dialect = 'anthropic.messages';

interface Answer {
  parts?: Part[];
  finish?: FinishReason;
  native?: string;
  usage?: Usage;
  id?: string;
}

function encode({ parts = [], finish = FinishReason.STOP, native = '', usage, id = 'msg_1' }: Answer) {
  const choice = build.choice(0, build.message(Role.ASSISTANT, parts), finish, {
    nativeFinishReason: native,
  });
  const response = build.chatResponse(id, 'm', 1, [choice], usage === undefined ? {} : { usage });
  return JSON.parse(encodeMessagesResponse(response)) as Anthropic.Message;
}

const reasoning = (text: string, more = {}) =>
  build.part({ case: 'reasoning', value: build.reasoning(text, more) });
const call = (args: string, more = {}) =>
  build.part({ case: 'toolCall', value: build.toolCall('c1', 'add', args, more) });

test('the whole of a plain answer', () => {
  expect(encode({ parts: [build.textPart('Hi')], usage: build.usage(3, 2) })).toEqual({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    stop_details: null,
    usage: {
      input_tokens: 3,
      cache_creation_input_tokens: null,
      cache_read_input_tokens: null,
      output_tokens: 2,
    },
  });
});

test('an id of another provider becomes one of this dialect', () => {
  expect(encode({ id: 'chatcmpl-a/b c' }).id).toBe('msg_a_b_c');
  expect(encode({ id: 'msg_bdrk_01' }).id).toBe('msg_bdrk_01');
});

describe('blocks', () => {
  test.each<[string, Part[], unknown[]]>([
    [
      'in the order of the parts',
      [reasoning('Hm'), build.textPart('A'), call('{"b":1, "a":2}'), build.textPart('B')],
      [
        { type: 'thinking', thinking: 'Hm', signature: '' },
        { type: 'text', text: 'A' },
        { type: 'tool_use', id: 'c1', name: 'add', input: { b: 1, a: 2 } },
        { type: 'text', text: 'B' },
      ],
    ],
    [
      "Claude's signature and redacted thoughts",
      [
        reasoning('Hm', { signature: 's+/', format: 'anthropic-claude-v1' }),
        reasoning('', { signature: 't', format: 'anthropic-claude-v1' }),
        reasoning('', { encrypted: 'e', format: 'anthropic-claude-v1' }),
      ],
      [
        { type: 'thinking', thinking: 'Hm', signature: 's+/' },
        { type: 'thinking', thinking: '', signature: 't' },
        { type: 'redacted_thinking', data: 'e' },
      ],
    ],
    [
      "no state of another provider's",
      [
        reasoning('Hm', { signature: 's', format: 'google-gemini-v1' }),
        reasoning('', { encrypted: 'e', format: 'openai-responses-v1' }),
      ],
      [{ type: 'thinking', thinking: 'Hm', signature: '' }],
    ],
    ['a call without arguments', [call('')], [{ type: 'tool_use', id: 'c1', name: 'add', input: {} }]],
    [
      'arguments that are no object',
      [call('{"a":'), call('[1]')],
      [
        { type: 'tool_use', id: 'c1', name: 'add', input: { invalid_arguments: '{"a":' } },
        { type: 'tool_use', id: 'c1', name: 'add', input: { invalid_arguments: '[1]' } },
      ],
    ],
    [
      'free text of a custom tool',
      [call('some "text"', { custom: true })],
      [{ type: 'tool_use', id: 'c1', name: 'add', input: { input: 'some "text"' } }],
    ],
    [
      'no empty text, which could not be sent back',
      [build.textPart(''), build.textPart('A')],
      [{ type: 'text', text: 'A' }],
    ],
    [
      'own opaque blocks, not those of others',
      [
        build.part({ case: 'opaque', value: build.opaque(dialect, 'x', '{"type":"x","a":[1]}') }),
        build.part({ case: 'opaque', value: build.opaque('google.gemini', 'y', '{"type":"y"}') }),
      ],
      [{ type: 'x', a: [1] }],
    ],
    [
      'what is spoken, as text',
      [
        build.part({
          case: 'audio',
          value: build.audio({ case: 'base64', value: 'AAAA' }, { transcript: 'Hi' }),
        }),
      ],
      [{ type: 'text', text: 'Hi' }],
    ],
    [
      'pictures, in the form of a request',
      [
        build.part({
          case: 'image',
          value: build.image({ case: 'url', value: 'data:image/png;base64,AAAA' }),
        }),
        build.part({
          case: 'image',
          value: build.image({ case: 'data', value: Uint8Array.of(0, 0, 0) }, { mediaType: 'image/webp' }),
        }),
        build.part({ case: 'image', value: build.image({ case: 'url', value: 'https://a/b.png' }) }),
      ],
      [
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        { type: 'image', source: { type: 'base64', media_type: 'image/webp', data: 'AAAA' } },
        { type: 'image', source: { type: 'url', url: 'https://a/b.png' } },
      ],
    ],
    [
      'own members of a block',
      [
        build.part(
          { case: 'text', value: build.text('A') },
          { extras: build.extras(dialect, '{"more":{"x":1}}') },
        ),
      ],
      [{ type: 'text', text: 'A', more: { x: 1 } }],
    ],
  ])('%s', (_what, parts, content) => {
    expect(encode({ parts }).content).toEqual(content);
  });

  test('a web page that another provider cites', () => {
    const value = build.urlCitation({ url: 'https://a', title: 'A', startIndex: 2, endIndex: 6 });
    const part = build.textPart('It says so.', {
      annotations: [build.annotation({ case: 'urlCitation', value })],
    });
    expect(encode({ parts: [part] }).content).toEqual([
      {
        type: 'text',
        text: 'It says so.',
        citations: [
          {
            type: 'web_search_result_location',
            url: 'https://a',
            title: 'A',
            cited_text: ' say',
            encrypted_index: '',
          },
        ],
      },
    ]);
  });
});

describe('stop_reason', () => {
  const refused = build.part({ case: 'refusal', value: build.refusal('No.') });
  test.each<[string | null, Answer]>([
    ['end_turn', { finish: FinishReason.STOP }],
    ['tool_use', { finish: FinishReason.TOOL_CALLS, parts: [call('{}')] }],
    ['tool_use', { finish: FinishReason.TOOL_CALLS, native: 'end_turn' }],
    ['tool_use', { finish: FinishReason.FUNCTION_CALL }],
    ['max_tokens', { finish: FinishReason.LENGTH }],
    ['refusal', { finish: FinishReason.CONTENT_FILTER, native: 'SAFETY' }],
    ['refusal', { finish: FinishReason.STOP, parts: [refused] }],
    ['stop_sequence', { finish: FinishReason.STOP, native: 'stop_sequence' }],
    ['pause_turn', { finish: FinishReason.STOP, native: 'pause_turn' }],
    [
      'model_context_window_exceeded',
      { finish: FinishReason.LENGTH, native: 'model_context_window_exceeded' },
    ],
    ['end_turn', { finish: FinishReason.STOP, native: 'eos' }],
    [null, { finish: FinishReason.UNSPECIFIED }],
  ])('%s', (stopReason, answer) => {
    expect(encode(answer).stop_reason).toBe(stopReason);
  });

  test('a word of Anthropic that is not known here is told as it is', () => {
    const usage = build.usage(1, 1, { extras: build.extras(dialect, '{"service_tier":"standard"}') });
    expect(encode({ native: 'tomorrow', usage }).stop_reason).toBe('tomorrow');
    expect(encode({ native: 'tomorrow' }).stop_reason).toBe('end_turn');
  });

  test('a refusal is the text of its block', () => {
    expect(encode({ parts: [refused] }).content).toEqual([{ type: 'text', text: 'No.' }]);
  });
});

describe('usage', () => {
  test('cached tokens are beside the input, not in it', () => {
    const usage = build.usage(100, 20, { cachedTokens: 70, cacheWriteTokens: 10, reasoningTokens: 5 });
    expect(encode({ usage }).usage).toEqual({
      input_tokens: 20,
      cache_read_input_tokens: 70,
      cache_creation_input_tokens: 10,
      output_tokens: 20,
      output_tokens_details: { thinking_tokens: 5 },
    });
  });

  test('what a provider did not report is 0, because clients add it up', () => {
    expect(encode({}).usage).toEqual({ input_tokens: 0, output_tokens: 0 });
  });
});
