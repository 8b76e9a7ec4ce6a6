import { describe, expect, test } from 'vitest';
import { decodeMessagesRequest } from '../../../src/codec/anthropic-messages/decode-request.ts';
import { decodeMessagesResponse } from '../../../src/codec/anthropic-messages/decode-response.ts';
import { MessagesStreamDecoder } from '../../../src/codec/anthropic-messages/decode-stream.ts';
import { encodeMessagesRequest } from '../../../src/codec/anthropic-messages/encode-request.ts';
import { encodeMessagesResponse } from '../../../src/codec/anthropic-messages/encode-response.ts';
import { MessagesStreamEncoder } from '../../../src/codec/anthropic-messages/encode-stream.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { type Json, sumOfStream, withoutNulls } from '../../support/messages-json.ts';
import { type MessagesExchange, recordedMessages } from '../../support/messages-recordings.ts';

// encode(decode(json)) equals json, for everything that was recorded of this dialect. Null says the same as nothing.

const exchanges = recordedMessages();

const titled = (chosen: readonly MessagesExchange[]) =>
  chosen.map((exchange) => [exchange.title, exchange] as const);

const decodeRequest = (request: Record<string, unknown>) =>
  // Bedrock and Vertex have the model in the path.
  decodeMessagesRequest(structuredClone({ model: 'claude-sonnet-4-5', ...request }));

describe.skipIf(exchanges.length === 0)('the law', () => {
  const requests = exchanges.filter(({ request }) => request !== null);
  test.each(titled(requests))('request: %s', (_title, { request: recorded }) => {
    const model = (recorded?.['model'] as string | undefined) ?? 'claude-sonnet-4-5';
    const { request, stream } = decodeRequest(recorded ?? {});
    const { body, warnings } = encodeMessagesRequest(request, { model, stream });
    expect(warnings).toEqual([]);
    const expected = withoutNulls({ model, ...recorded }) as { [key: string]: Json };
    if (expected['stream'] === false) delete expected['stream'];
    expect(withoutNulls(JSON.parse(body))).toEqual(expected);
  });

  test.each(titled(requests))('same request, same bytes: %s', (_title, { request: recorded }) => {
    const encode = () =>
      encodeMessagesRequest(decodeRequest(recorded ?? {}).request, {
        model: 'claude-sonnet-4-5',
        stream: false,
      }).body;
    expect(encode()).toBe(encode());
    for (const { input_schema: schema } of (recorded?.['tools'] ?? []) as { input_schema?: Json }[]) {
      if (schema !== undefined) expect(encode()).toContain(JSON.stringify(schema));
    }
  });

  const answers = exchanges.filter(({ answer, status }) => answer !== null && status === 200);
  test.each(titled(answers))('answer: %s', (_title, { answer, provider }) => {
    const encoded = encodeMessagesResponse(decodeMessagesResponse(structuredClone(answer), { provider }));
    expect(withoutNulls(JSON.parse(encoded))).toEqual(withoutNulls(answer));
  });

  // A stream's frames are cut anew, so that the law holds for what they add up to.
  const streams = exchanges.filter(({ frames }) => frames !== null);
  test.each(titled(streams))('stream: %s', (_title, { frames, provider }) => {
    const decoder = new MessagesStreamDecoder({ provider });
    const events: StreamEvent[] = [];
    for (const frame of frames ?? []) decoder.push(frame, events);
    decoder.end(events);
    const encoded = new MessagesStreamEncoder().encode(events);
    const told = encoded
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => line.slice(6));
    expect(sumOfStream(told)).toEqual(sumOfStream(frames ?? []));
  });
});

const tools = [
  { name: 'look', description: 'Looks', input_schema: { type: 'object' }, strict: true },
  {
    type: 'custom',
    name: 'ask',
    input_schema: { type: 'object', properties: { z: {}, a: {} } },
    defer_loading: true,
    cache_control: { type: 'ephemeral', ttl: '1h' },
  },
  { type: 'web_search_20260209', name: 'web_search', max_uses: 2, cache_control: { type: 'ephemeral' } },
];

describe('the law, for what was not recorded', () => {
  const model = 'claude-of-tomorrow';
  const hello = { role: 'user', content: 'Hello' };
  const called = {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: '', signature: 's+/=' },
      { type: 'redacted_thinking', data: 'zz==' },
      { type: 'text', text: 'Looking.', cache_control: { type: 'ephemeral' } },
      {
        type: 'tool_use',
        id: 't1',
        name: 'look',
        input: { b: [1, { c: null }], a: '' },
        caller: { type: 'direct' },
      },
      { type: 'server_tool_use', id: 's1', name: 'web_search', input: { query: 'x' } },
      { type: 'web_search_tool_result', tool_use_id: 's1', content: [] },
    ],
  };
  const results = (...content: unknown[]) => ({
    messages: [hello, called, { role: 'user', content }],
    tools,
  });
  const result = (more: object) => ({ type: 'tool_result', tool_use_id: 't1', ...more });
  const user = (...content: unknown[]) => ({ messages: [{ role: 'user', content }] });

  test.each<[string, Record<string, unknown>]>([
    ['system as text', { system: 'Be brief.' }],
    [
      'system as blocks',
      {
        system: [
          { type: 'text', text: 'Be brief.' },
          { type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral', ttl: '5m' } },
        ],
      },
    ],
    ['instructions among the messages', { messages: [hello, { role: 'system', content: 'Be kind.' }] }],
    ['one block of text', user({ type: 'text', text: 'a' })],
    ['no blocks', user()],
    [
      'a cache marker of another form',
      user({ type: 'text', text: 'a', cache_control: { type: 'ephemeral', scope: 'x' } }),
    ],
    ['members that are not known', { ...user({ type: 'text', text: 'a', more: 1 }), new_thing: { x: [] } }],
    ['messages with members that are not known', { messages: [{ ...hello, more: 1 }] }],
    ['results', results(result({ content: 'a' }), result({ content: [{ type: 'text', text: 'a' }] }))],
    ['results that say little', results(result({}), result({ content: '' }), result({ content: [] }))],
    [
      'results that failed, and did not',
      results(result({ is_error: true }), result({ is_error: false, content: 'a' })),
    ],
    [
      'results with pictures and documents',
      results(
        result({
          cache_control: { type: 'ephemeral' },
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
            { type: 'search_result', source: 'a', title: 'b', content: [{ type: 'text', text: 'c' }] },
          ],
        }),
        { type: 'text', text: 'And?' },
      ),
    ],
    [
      'pictures',
      user(
        {
          type: 'image',
          source: { type: 'url', url: 'https://a/b.png' },
          cache_control: { type: 'ephemeral' },
        },
        { type: 'image', source: { type: 'file', file_id: 'file_1' } },
        { type: 'image', source: { type: 'base64', media_type: 'image/webp', data: 'AA==', more: 1 } },
        { type: 'image', source: { type: 'tomorrow', x: 1 } },
      ),
    ],
    [
      'documents',
      user(
        {
          type: 'document',
          source: { type: 'text', media_type: 'text/plain', data: 'a' },
          title: 'T',
          context: 'c',
          citations: { enabled: true },
        },
        { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AA==' } },
        { type: 'document', source: { type: 'url', url: 'https://a/b.pdf' } },
        { type: 'document', source: { type: 'file', file_id: 'file_1' }, title: 'T' },
        { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'a' }] } },
      ),
    ],
    [
      'citations of earlier answers',
      {
        messages: [
          hello,
          {
            role: 'assistant',
            content: [
              {
                type: 'text',
                text: 'a',
                citations: [
                  {
                    type: 'web_search_result_location',
                    url: 'https://a',
                    title: 'A',
                    encrypted_index: 'e',
                    cited_text: 'c',
                  },
                  {
                    type: 'char_location',
                    document_index: 0,
                    start_char_index: 0,
                    end_char_index: 1,
                    cited_text: 'x',
                  },
                ],
              },
            ],
          },
        ],
      },
    ],
    ...[
      { type: 'auto' },
      { type: 'any', disable_parallel_tool_use: true },
      { type: 'tool', name: 'look', disable_parallel_tool_use: false },
      { type: 'tool', name: 'web_search' },
      { type: 'none' },
      { type: 'auto', more: 1 },
      { type: 'tomorrow', of: 2 },
    ].map((choice): [string, Record<string, unknown>] => [
      `tool choice ${JSON.stringify(choice)}`,
      { tools, tool_choice: choice },
    ]),
    ['sampling', { top_k: 3, top_p: 0.5, stop_sequences: ['a', 'b'] }],
    ['cold', { temperature: 0 }],
    ['a budget for thoughts', { max_tokens: 9_000, thinking: { type: 'enabled', budget_tokens: 2_048 } }],
    [
      'thoughts that are not told',
      { max_tokens: 9_000, thinking: { type: 'enabled', budget_tokens: 2_048, display: 'omitted' } },
    ],
    ['no thoughts', { thinking: { type: 'disabled' } }],
    ['no thoughts, with an effort', { thinking: { type: 'disabled' }, output_config: { effort: 'low' } }],
    ['as many thoughts as it takes', { thinking: { type: 'adaptive', display: 'summarized' } }],
    ['an effort', { output_config: { effort: 'max' } }],
    [
      'an effort of adaptive thoughts',
      { thinking: { type: 'adaptive' }, output_config: { effort: 'xhigh' } },
    ],
    [
      'a form of the answer',
      { output_config: { format: { type: 'json_schema', schema: { type: 'object' }, more: 1 }, new: 2 } },
    ],
    ['the older place of it', { output_format: { type: 'json_schema', schema: { type: 'object' } } }],
    ['a form that is not known', { output_config: { format: { type: 'tomorrow', x: 1 } } }],
    ['an empty output_config', { output_config: {} }],
    ['the user', { metadata: { user_id: 'me', more: 1 } }],
    ['a user of many characters', { metadata: { user_id: 'x'.repeat(200) } }],
    ['empty metadata', { metadata: {} }],
    ['tiers', { service_tier: 'standard_only' }],
    ['a tier', { service_tier: 'auto' }],
    ['a warm cache only', { max_tokens: 0 }],
    [
      'what only Anthropic has',
      {
        container: { id: 'c', skills: [] },
        mcp_servers: [{ type: 'url', url: 'https://a', name: 'a' }],
        context_management: { edits: [] },
        inference_geo: 'eu',
        speed: 'fast',
        cache_control: { type: 'ephemeral' },
      },
    ],
  ])('%s', (_what, more) => {
    const json = { model, max_tokens: 100, messages: [hello], ...more };
    for (const stream of [false, true]) {
      const decoded = decodeMessagesRequest(structuredClone({ ...json, stream }), { betas: ['a', 'b'] });
      const { body, betas, warnings } = encodeMessagesRequest(decoded.request, {
        model,
        stream: decoded.stream,
      });
      expect(JSON.parse(body)).toEqual(stream ? { ...json, stream } : json);
      expect(warnings).toEqual([]);
      expect(betas).toEqual(['a', 'b']);
    }
  });
});

describe('the law, for answers that were not recorded', () => {
  const message = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [{ type: 'text', text: 'Hi' }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 2 },
  };
  test.each<[string, Record<string, unknown>]>([
    ['nothing said', { content: [] }],
    [
      'thoughts',
      {
        content: [
          { type: 'thinking', thinking: 'Hm', signature: 's+/=' },
          { type: 'thinking', thinking: '', signature: 't' },
          { type: 'redacted_thinking', data: 'zz==' },
        ],
      },
    ],
    [
      'a call, cut off',
      {
        content: [{ type: 'tool_use', id: 't', name: 'n', input: {}, caller: { type: 'direct' } }],
        stop_reason: 'max_tokens',
      },
    ],
    [
      'a call of one of several kinds',
      { content: [{ type: 'mcp_tool_use', id: 't', name: 'n', input: { a: 1 } }] },
    ],
    [
      'a refusal',
      { stop_reason: 'refusal', stop_details: { type: 'refusal', category: 'x', explanation: 'y' } },
    ],
    ['a stop string', { stop_reason: 'stop_sequence', stop_sequence: 'END' }],
    ['a pause', { stop_reason: 'pause_turn', container: { id: 'c', expires_at: '2026' } }],
    [
      'a word of tomorrow',
      { stop_reason: 'tomorrow', usage: { ...message.usage, service_tier: 'standard' } },
    ],
    ['members that are not known', { context_management: { applied_edits: [] }, new: 1 }],
    [
      'all that is counted',
      {
        usage: {
          input_tokens: 1,
          cache_creation_input_tokens: 2,
          cache_read_input_tokens: 0,
          cache_creation: { ephemeral_5m_input_tokens: 2 },
          output_tokens: 3,
          output_tokens_details: { thinking_tokens: 1, more: 2 },
          server_tool_use: { web_search_requests: 1 },
        },
      },
    ],
  ])('%s', (_what, more) => {
    const json = { ...message, ...more };
    const encoded = encodeMessagesResponse(
      decodeMessagesResponse(structuredClone(json), { provider: 'anthropic' }),
    );
    expect(withoutNulls(JSON.parse(encoded))).toEqual(json);
  });
});
