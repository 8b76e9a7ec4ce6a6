import { expect, test } from 'vitest';
import * as build from '../../src/model/build.ts';
import { sumUsage } from '../../src/model/sum-usage.ts';

test('what one answer does not report the other does', () => {
  const one = build.usage(1, 2, { cachedTokens: 3, estimated: true });
  const other = build.usage(10, 20, { totalTokens: 40, cachedTokens: 4, reasoningTokens: 0 });
  expect(sumUsage(one, other)).toEqual(
    build.usage(11, 22, { totalTokens: 43, cachedTokens: 7, reasoningTokens: 0, estimated: true }),
  );
  expect(sumUsage(undefined, one)).toBe(one);
  expect(sumUsage(one, undefined)).toBe(one);
  expect(sumUsage(undefined, undefined)).toBeUndefined();
});

test('unknown numbers of one dialect are added up, other members are the later ones', () => {
  const extras = (json: unknown, dialect = 'openai.chat') =>
    build.usage(0, 0, { extras: build.extras(dialect, JSON.stringify(json)) });
  const sum = sumUsage(
    extras({ cost: 0.5, details: { time: 1, kept: 1 }, tier: 'a', __proto__: null }),
    extras({ cost: 0.25, details: { time: 2 }, tier: 'b', fresh: 1 }),
  );
  expect(JSON.parse(sum?.extras?.json ?? '')).toEqual({
    cost: 0.75,
    details: { time: 3, kept: 1 },
    tier: 'b',
    fresh: 1,
  });
  const foreign = sumUsage(extras({ a: 1 }, 'ollama.chat'), extras({ a: 2 }));
  expect(foreign?.extras).toMatchObject({ dialect: 'openai.chat', json: '{"a":2}' });
});
