import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, resolveLimits } from '../../src/server/limits.ts';

test('what is not given is the default', () => {
  expect(resolveLimits()).toEqual(DEFAULT_LIMITS);
  expect(resolveLimits({ maxHeaderBytes: 9 })).toEqual({ ...DEFAULT_LIMITS, maxHeaderBytes: 9 });
});

test('the headers never have more time than the whole request', () => {
  expect(resolveLimits({ requestTimeoutMs: 10 }).headersTimeoutMs).toBe(10);
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31])('%d is refused by name', (value) => {
  expect(() => resolveLimits({ keepAliveTimeoutMs: value })).toThrow(/keepAliveTimeoutMs/);
});
