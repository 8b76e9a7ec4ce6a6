import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { decodeBlock } from '../../../src/codec/anthropic-messages/decode-blocks.ts';
import { decodeMessagesRequest } from '../../../src/codec/anthropic-messages/decode-request.ts';

const textIn = ({ content }: Part): string => (content.case === 'opaque' ? content.value.text : 'not opaque');

/** What a block says for models of other providers: the same in a request and in an answer. */
function said(block: object): string {
  const messages = [{ role: 'user', content: [block] }];
  const { request } = decodeMessagesRequest({ model: 'm', max_tokens: 1, messages });
  const text = textIn(request.messages[0]?.parts[0] as Part);
  if ((block as { type: string }).type !== 'document') {
    expect(textIn(decodeBlock(block, () => 'id'))).toBe(text);
  }
  return text;
}

const texts = [
  { type: 'text', text: 'One.' },
  { type: 'text', text: 'Two.' },
];
const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };

describe('blocks of kinds that only Anthropic has say in plain text', () => {
  test.each<[string, object, string]>([
    [
      'what was found',
      {
        type: 'search_result',
        source: 'https://s',
        title: 'T',
        content: texts,
        citations: { enabled: true },
      },
      'T\nhttps://s\nOne.\nTwo.',
    ],
    [
      'a document of texts and pictures',
      {
        type: 'document',
        title: 'T',
        context: 'C',
        source: { type: 'content', content: [texts[0], image, texts[1]] },
      },
      'T\nC\nOne.\nTwo.',
    ],
    ['a document of text', { type: 'document', source: { type: 'content', content: 'One.' } }, 'One.'],
    [
      'what stands for earlier messages',
      { type: 'compaction', content: 'So far so good.' },
      'So far so good.',
    ],
    ['a tool that was found', { type: 'tool_reference', tool_name: 'look' }, 'look'],
    [
      'what the web had',
      {
        type: 'web_search_tool_result',
        tool_use_id: 's',
        content: [
          {
            type: 'web_search_result',
            url: 'https://a',
            title: 'A',
            encrypted_content: 'XXX',
            page_age: null,
          },
        ],
      },
      '\n[web_search_tool_result]\nA\nhttps://a\n',
    ],
    [
      'what a program printed',
      {
        type: 'code_execution_tool_result',
        tool_use_id: 's',
        content: { type: 'code_execution_result', stdout: '42', stderr: 'hm', return_code: 0, content: [] },
      },
      '\n[code_execution_tool_result]\n42\nhm\n',
    ],
    [
      'what it printed for Anthropic only',
      {
        type: 'code_execution_tool_result',
        tool_use_id: 's',
        content: {
          type: 'encrypted_code_execution_result',
          encrypted_stdout: 'XXX',
          stderr: '',
          return_code: 0,
          content: [],
        },
      },
      '',
    ],
    [
      'a page',
      {
        type: 'web_fetch_tool_result',
        tool_use_id: 's',
        content: {
          type: 'web_fetch_result',
          url: 'https://a',
          content: {
            type: 'document',
            title: 'A',
            source: { type: 'text', media_type: 'text/plain', data: 'The page.' },
          },
        },
      },
      '\n[web_fetch_tool_result]\nhttps://a\nA\nThe page.\n',
    ],
    [
      'a page of bytes',
      {
        type: 'web_fetch_tool_result',
        tool_use_id: 's',
        content: {
          type: 'web_fetch_result',
          url: 'https://a',
          content: {
            type: 'document',
            source: { type: 'base64', media_type: 'application/pdf', data: 'XXX' },
          },
        },
      },
      '\n[web_fetch_tool_result]\nhttps://a\n',
    ],
    [
      'what an MCP server said',
      { type: 'mcp_tool_result', tool_use_id: 's', is_error: false, content: texts },
      '\n[mcp_tool_result]\nOne.\nTwo.\n',
    ],
    [
      'why a tool failed',
      {
        type: 'web_search_tool_result',
        tool_use_id: 's',
        content: { type: 'web_search_tool_result_error', error_code: 'unavailable' },
      },
      '\n[web_search_tool_result]\nunavailable\n',
    ],
    ['nothing of a file in a container', { type: 'container_upload', file_id: 'f' }, ''],
    [
      'nothing of a call',
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
      '',
    ],
    ['nothing of what nobody knows', { type: 'tomorrow', text: 'One.' }, ''],
  ])('%s', (_what, block, text) => {
    expect(said(block)).toBe(text);
  });

  test('no more than the kinds go deep', () => {
    let content: unknown = 'deep';
    for (let i = 0; i < 1000; i++) content = { type: 'x', content: [content] };
    expect(said({ type: 'mcp_tool_result', content })).toBe('');
  });

  test('whatever their members are', () => {
    const kinds = ['search_result', 'compaction', 'tool_reference', 'mcp_tool_result'];
    const keys = ['title', 'source', 'content', 'text', 'tool_name', 'lines', 'type'];
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()),
        (type, members) => typeof said({ ...members, type }) === 'string',
      ),
    );
  });
});
