import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from '../../src/codec/json.ts';

test.each([
  '{"a":12345678901234567890,"b":-9007199254740993,"c":[18446744073709551615]}',
  '{"a":1e400,"b":-1E+999}',
  '{"a":0.1,"b":9007199254740991,"c":"12345678901234567890"}',
])('%s is written as it was read', (text) => {
  expect(JSON.stringify(parseJson(text))).toBe(text);
});

test('a number that a double can hold is one, whatever its digits and whatever stands beside it', () => {
  const [float, large, small, exact] = parseJson(
    '[0.3333333333333333, 3.4028234663852886e+38, -5e-324, 12345678901234567890]',
  ) as unknown[];
  expect([float, large, small]).toEqual([0.3333333333333333, 3.4028234663852886e38, -5e-324]);
  expect(typeof exact).toBe('object');
});

test('a byte order mark is skipped', () => {
  expect(parseJson('\ufeff{"a":1}')).toEqual({ a: 1 });
});

test('any JSON is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(JSON.stringify(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});
