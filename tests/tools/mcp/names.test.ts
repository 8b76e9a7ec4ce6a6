import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gatewayName } from '../../../src/tools/mcp/names.ts';

test('a legal name stays as it is', () => {
  expect(gatewayName('files', 'read_file')).toBe('files__read_file');
  expect(gatewayName('a', 'b'.repeat(61))).toHaveLength(64);
});

test('any other name becomes a legal one, and no two the same', () => {
  const tool = fc.oneof(
    fc.string({ minLength: 1, maxLength: 100 }),
    fc.string({ unit: 'grapheme', minLength: 1 }),
  );
  const server = fc.stringMatching(/^[a-z\d](?:[a-z\d-]|_[a-z\d]){0,15}$/);
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(server, tool), { selector: ([a, b]) => `${a}\n${b}` }), (pairs) => {
      const names = pairs.map(([a, b]) => gatewayName(a, b));
      for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      expect(new Set(names).size).toBe(names.length);
    }),
  );
});
