import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wildcard } from '../../src/base/wildcard.ts';

describe('a pattern', () => {
  test.each([
    ['user123_*', 'user123_gpt_00', true],
    ['user123_*', 'user1234_gpt_00', false],
    ['*_gpt_*', 'a_gpt_00', true],
    ['*', '', true],
    ['?', '', false],
    ['a?c', 'abc', true],
    ['a*b*c', 'aXbbYc', true],
    ['a*b*c', 'aXc', false],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
  ])('%s fits %s: %s', (pattern, text, fits) => {
    expect(wildcard(pattern, '?')(text)).toBe(fits);
  });

  test('takes no time that grows without bound', () => {
    const began = performance.now();
    expect(wildcard(`${'*a'.repeat(50)}b`)('a'.repeat(2_000))).toBe(false);
    expect(performance.now() - began).toBeLessThan(500);
  });
});

test('without a character for any single one all others stand for themselves', () => {
  expect(wildcard('a?c')('abc')).toBe(false);
  expect(wildcard('fake/echo?*')('fake/echo?words=3')).toBe(true);
});

test('fits what the regular expression fits that says the same', () => {
  const letters = fc
    .array(fc.constantFrom('a', 'b', '*', '?', '.'), { maxLength: 8 })
    .map((all) => all.join(''));
  fc.assert(
    fc.property(letters, letters, fc.constantFrom('' as const, '?' as const), (pattern, text, one) => {
      const source = [...pattern].map((c) =>
        c === '*' ? '.*' : c === one ? '.' : c === 'a' || c === 'b' ? c : `\\${c}`,
      );
      expect(wildcard(pattern, one)(text)).toBe(new RegExp(`^${source.join('')}$`, 's').test(text));
    }),
    { numRuns: 5_000 },
  );
});
