import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countText, type Encoding, encodingOf } from '../../src/tokens/tokenizer.ts';

/** The package whose tables these are, counting by itself: slower, but by other code. */
const reference = (text: string, encoding: Encoding): number =>
  createRequire(import.meta.url)(`gpt-tokenizer/encoding/${encoding}`).countTokens(text, {
    disallowedSpecial: new Set(),
  });
const encodings: Encoding[] = ['o200k_base', 'cl100k_base'];

describe('the tokenizer', () => {
  // Published in OpenAI's cookbook, "How to count tokens with tiktoken".
  test.each([
    ['tiktoken is great!', 6, 6],
    ['antidisestablishmentarianism', 6, 6],
    ['2 + 2 = 4', 7, 7],
    ['お誕生日おめでとう', 9, 8],
  ])('counts %s as published', (text, cl100k, o200k) => {
    expect(countText(text, 'cl100k_base')).toBe(cl100k);
    expect(countText(text, 'o200k_base')).toBe(o200k);
  });

  test.each(encodings)('%s agrees with another one on any text', (encoding) => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 100 }),
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc
        .array(
          fc.constantFrom(
            'the ',
            "It's",
            ' world',
            '\r\n',
            '  ',
            '123456',
            '你好',
            '👍🏽',
            '<|end|>',
            'Ångström',
          ),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (given) => countText(given, encoding) === reference(given, encoding)),
      { numRuns: 1_000 },
    );
  });

  test('takes control tokens in a text for text', () => {
    expect(countText('<|endoftext|>', 'o200k_base')).toBeGreaterThan(1);
  });

  test.each([
    ['a', 1],
    [' ', 1],
    ['\n', 1],
    ['漢', 3],
    ['👍', 3],
    ['=', 1],
  ])('cuts a run of %j without end, at a token for each cut at most', (character, bytes) => {
    const text = character.repeat(4_000);
    const [exact, cut] = [reference(text, 'o200k_base'), countText(text, 'o200k_base')];
    expect(cut).toBeGreaterThanOrEqual(exact);
    expect(cut - exact).toBeLessThanOrEqual(text.length / 128 + 1);
    expect(countText(character.repeat(200_000 / bytes), 'o200k_base')).toBeGreaterThan(exact);
  });
});

test.each([
  ['gpt-4o-mini', 'o200k_base'],
  ['gpt-4.1-nano', 'o200k_base'],
  ['gpt-5.2-pro', 'o200k_base'],
  ['o3', 'o200k_base'],
  ['o4-mini-2025-04-16', 'o200k_base'],
  ['chatgpt-4o-latest', 'o200k_base'],
  ['openai/gpt-oss-20b', 'o200k_base'],
  ['gpt-4', 'cl100k_base'],
  ['gpt-4-turbo', 'cl100k_base'],
  ['gpt-3.5-turbo', 'cl100k_base'],
  ['openai/gpt-4-0613', 'cl100k_base'],
  ['claude-opus-4.5', null],
  ['olmo-2', null],
  ['o3x', null],
  ['', null],
])('%s has %s', (model, encoding) => {
  expect(encodingOf(model)).toBe(encoding);
});
