import { expect, test } from 'vitest';
import { Tail } from '../../src/base/tail.ts';

test.each([1, 3, 7, 100, 5_000])('keeps the end of what comes in pieces of %i bytes', (size) => {
  const tail = new Tail(100);
  const text = Array.from({ length: 2_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  for (let at = 0; at < text.length; at += size) tail.add(Buffer.from(text.slice(at, at + size)));
  expect(tail.text).toBe(text.slice(-100));
});

test('is the whole of a short text', () => {
  const tail = new Tail(100);
  tail.add(Buffer.from('\nshort\n'));
  expect(tail.text).toBe('short');
});
