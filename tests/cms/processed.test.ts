import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readProcessed } from '../../src/cms/processed.ts';

const read = (json: unknown) => readProcessed(JSON.stringify(json));

describe("the service's answer", () => {
  test.each([
    [
      { optimized_text: 'x', optimized_tokens: 3 },
      { text: 'x', chunks: [], tokens: 3 },
    ],
    [
      { optimized_text: 'x', final_tokens: 0, was_chunked: false },
      { text: 'x', chunks: [], tokens: 0 },
    ],
    [
      { optimized_text: 'x', chunks: null },
      { text: 'x', chunks: [], tokens: null },
    ],
    [
      { optimized_text: null, final_tokens: 9 },
      { text: null, chunks: [], tokens: 9 },
    ],
    [
      { optimized_text: null, chunks: ['a', 'b'] },
      { text: null, chunks: ['a', 'b'], tokens: null },
    ],
    [{ chunks: [{ chunk_id: 'c', sequence: 0, content: 'a' }] }, { text: null, chunks: ['a'], tokens: null }],
    [
      { optimized_text: 'x', rolled_back: true },
      { text: null, chunks: [], tokens: null },
    ],
    [
      { optimized_text: 'x', rolled_back: false, new: 1 },
      { text: 'x', chunks: [], tokens: null },
    ],
  ])('%j is read', (json, processed) => {
    expect(read(json)).toEqual(processed);
  });

  test.each([
    [{}],
    [null],
    [[]],
    ['text'],
    [7],
    [{ optimized_tokens: 3 }],
    [{ optimized_text: '' }],
    [{ optimized_text: ' \n' }],
    [{ optimized_text: 7 }],
    [{ optimized_text: 'x', optimized_tokens: -1 }],
    [{ optimized_text: 'x', optimized_tokens: 1.5 }],
    [{ optimized_text: 'x', optimized_tokens: '3' }],
    [{ optimized_text: 'x', chunks: 'a' }],
    [{ optimized_text: 'x', chunks: [7] }],
    [{ optimized_text: 'x', chunks: [{}] }],
    [{ optimized_text: 'x', chunks: [''] }],
    [{ optimized_text: 'x', chunks: Array(10_001).fill('a') }],
  ])('%j is not one', (json) => {
    expect(read(json)).toBe(null);
  });

  test('may be any text, and any JSON', () => {
    fc.assert(fc.property(fc.string(), (text) => void readProcessed(text)));
    fc.assert(fc.property(fc.json(), (text) => void readProcessed(text)));
    expect(readProcessed('<html>')).toBe(null);
    expect(readProcessed('')).toBe(null);
  });
});
