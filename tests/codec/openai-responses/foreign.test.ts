import { expect, test } from 'vitest';
import { ResponseStatus } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { decodeAnnotation, encodeAnnotation } from '../../../src/codec/openai-responses/annotations.ts';
import { decodeItem } from '../../../src/codec/openai-responses/decode-item.ts';
import { encodeItem } from '../../../src/codec/openai-responses/encode-item.ts';
import * as build from '../../../src/model/build.ts';
import { item as buildItem } from '../../../src/model/build-responses.ts';

const form = { complete: true, withState: true };

test("another dialect's item is of a type that clients know, and is read back whole", () => {
  const value = build.opaque(
    'google.gemini',
    'executableCode',
    '{"code":"print(1)","language":"PYTHON"}',
    'print(1)',
  );
  const item = buildItem('it_1', { case: 'opaque', value }, ResponseStatus.COMPLETED);
  const json = JSON.parse(encodeItem(item, form));
  expect(json).toEqual({
    id: 'it_1',
    type: 'mcp_call',
    status: 'completed',
    server_label: 'google.gemini',
    name: 'executableCode',
    arguments: value.json,
    output: 'print(1)',
    error: null,
    approval_request_id: null,
  });
  expect(decodeItem(json, 'input[0]')).toEqual(item);
});

test.each([
  { server_label: 'deepwiki', name: 'ask', arguments: '{}' },
  { server_label: 'google.gemini', name: 'x', arguments: 'no JSON' },
  { server_label: 'google.gemini', arguments: '{}' },
])("what only looks like one stays OpenAI's own: %j", (members) => {
  const { kind } = decodeItem({ type: 'mcp_call', id: 'mcp_1', ...members }, 'input[0]');
  expect(kind).toMatchObject({ case: 'opaque', value: { dialect: 'openai.responses', type: 'mcp_call' } });
});

test("another dialect's annotation is of a type that clients know, and is read back whole", () => {
  const cited = '{"type":"char_location","cited_text":"x","document_title":"A book","start_char_index":3}';
  const value = build.opaque('anthropic.messages', 'char_location', cited);
  const annotation = build.annotation({ case: 'opaque', value });
  const json = JSON.parse(encodeAnnotation(annotation));
  expect(json).toMatchObject({ type: 'file_citation', file_id: '', filename: 'A book', index: 0 });
  expect(decodeAnnotation(json)).toEqual(annotation);
  const own = { type: 'file_citation', file_id: 'f', filename: 'A book', index: 3 };
  expect(decodeAnnotation(own)?.kind).toMatchObject({ value: { dialect: 'openai.responses' } });
});
