import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { decodePageToken, encodePageToken } from '../../src/sessions/page-token.ts';
import { listKey } from '../../src/sessions/store.ts';

test('a page token leads back to where it came from', () => {
  const key = listKey({ createdUs: 1_700_000_000_000_001, id: randomUUID() });
  expect(decodePageToken(encodePageToken(key), 'after')).toBe(key);
  expect(decodePageToken('', 'after')).toBe('');
  expect(encodePageToken('')).toBe('');
});

test('any other text is refused by name', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      for (const token of [text, Buffer.from(text).toString('base64url')]) {
        if (token === '') continue;
        expect(() => decodePageToken(token, 'after')).toThrow(GatewayError);
      }
    }),
  );
});
