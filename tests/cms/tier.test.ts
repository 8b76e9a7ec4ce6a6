import { describe, expect, test } from 'vitest';
import { actionOf, isNeeded, isRouted, readMode } from '../../src/cms/mode.ts';
import { headroomPercent, type Tier, tierOf } from '../../src/cms/tier.ts';

const usual = [25, 50, 75] as const;

describe('the tier', () => {
  test.each([
    [0, 8_192, 1],
    [2_047, 8_192, 1],
    [2_048, 8_192, 2],
    [4_095, 8_192, 2],
    [4_096, 8_192, 3],
    [6_143, 8_192, 3],
    [6_144, 8_192, 4],
    [8_192, 8_192, 4],
    [1_000_000_000, 8_192, 4],
    [0, 0, 4],
    [1, 0, 4],
    [0, -1, 4],
    [0, 1, 1],
    [1, 1, 4],
    [25, 100, 2],
    [24, 100, 1],
    [49_999, 200_000, 1],
    [50_000, 200_000, 2],
  ])('of %d tokens of %d is %d', (tokens, limit, tier) => {
    expect(tierOf(tokens, limit, usual)).toBe(tier);
  });

  test('begins exactly at its share, whatever the shares and the limit are', () => {
    for (const shares of [usual, [1, 2, 3], [10, 30, 70], [29, 57, 58], [33, 66, 100]] as const) {
      for (const limit of [100, 700, 8_192 * 100, 128_000, 200_000, 99_999_900]) {
        for (const [i, share] of shares.entries()) {
          const begin = (share * limit) / 100;
          expect(tierOf(begin - 1, limit, shares)).toBe(i + 1);
          expect(tierOf(begin, limit, shares)).toBe(i + 2);
        }
      }
    }
  });
});

test.each([
  [0, 8_192, 100],
  [1, 8_192, 99],
  [4_096, 8_192, 50],
  [71, 100, 29],
  [8_191, 8_192, 0],
  [8_192, 8_192, 0],
  [9_000, 8_192, 0],
  [0, 0, 0],
])('of %d tokens of %d the headroom is %d percent', (tokens, limit, percent) => {
  expect(headroomPercent(tokens, limit)).toBe(percent);
});

test.each([
  ['', 'auto'],
  ['none', 'none'],
  [' None\t', 'none'],
  ['VALIDATE', 'validate'],
  ['optimize', 'optimize'],
  ['Plan ', 'plan'],
  ['auto', 'auto'],
  ['optimise', 'auto'],
  ['none, plan', 'auto'],
  ['toString', 'auto'],
  ['ſ', 'auto'],
])('the mode %j is %s', (text, mode) => {
  expect(readMode(text)).toBe(mode);
});

describe('a call', () => {
  const tiers: Tier[] = [1, 2, 3, 4];
  test.each([
    ['none', ['none', 'none', 'none', 'none']],
    ['validate', ['validate', 'validate', 'validate', 'validate']],
    ['optimize', ['optimize', 'optimize', 'optimize', 'optimize']],
    ['plan', ['plan', 'plan', 'plan', 'plan']],
    ['auto', ['none', 'validate', 'optimize', 'plan']],
  ] as const)('of mode %s is acted on, by tier: %j', (mode, actions) => {
    expect(tiers.map((tier) => actionOf(mode, tier))).toEqual(actions);
    expect(tiers.map((tier) => isRouted(mode, tier))).toEqual(actions.map((action) => action !== 'none'));
    const needed = mode === 'none' ? [false, false, false, false] : [false, false, true, true];
    expect(tiers.map((tier) => isNeeded(mode, tier))).toEqual(needed);
  });
});
