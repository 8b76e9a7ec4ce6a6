import { expect, test } from 'vitest';
import { encodeItem } from '../../../src/codec/openai-responses/encode-item.ts';
import * as build from '../../../src/model/build.ts';
import { item as buildItem } from '../../../src/model/build-responses.ts';

const encoded = (json: string): unknown => {
  const value = build.opaque('openai.responses', 'web_search_call', json);
  const text = encodeItem(buildItem('it_1', { case: 'opaque', value }), { complete: true, withState: true });
  return JSON.parse(text);
};

test.each([
  ['{"type":"x","id":"ws_1","a":1}', 'ws_1'],
  ['{"id":"ws_1"}', 'ws_1'],
  ['{"status":"completed","type":"x","id":"ws_1"}', 'ws_1'],
  ['{"type":"x","a":{"id":"inner"}}', 'it_1'],
  ['{"type":"x","id":null}', 'it_1'],
  ['{"type":"x","a":{"id":"inner"},"id":"ws_1"}', 'ws_1'],
  ['{"type":"x","a":"the word \\"id\\":"}', 'it_1'],
  ['{"type":"x"}', 'it_1'],
  ['{"type":"x","a":"\\\\","id" : "ws_1"}', 'ws_1'],
])('%s has the id %s', (json, id) => {
  expect(encoded(json)).toEqual({ ...(JSON.parse(json) as object), id });
});
