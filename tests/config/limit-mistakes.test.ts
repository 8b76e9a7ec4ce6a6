import { expect, test } from 'vitest';
import { load, mistakes } from './support/load.ts';

test.each([
  ['requests_per_minute: lots', 1],
  ['cooldown: soon', 1],
  ['requests_per_minutes: 5', 1],
])('a mistake of the default class is told once: %s', (member, count) => {
  const lines = mistakes(`limits: { classes: { default: { ${member} } } }`);
  expect(lines).toHaveLength(count);
  expect(lines[0]).toContain('limits.classes.default.');
});

const key = 'sk-test-0123456789-0123456789';

test.each([
  [`keys: [{ id: a, key: ${key}, rate_class: premum }]`, 'keys: "a" has class "premum"'],
  [
    'auth: { tokens: [{ issuer: "https://login", audience: x, rate_class: premum }] }',
    'auth.tokens: "https://login" has class "premum"',
  ],
])('a class that is not there is a mistake: %s', (yaml, begin) => {
  const lines = mistakes(yaml);
  expect(lines).toEqual([`${begin}, which is not there; did you mean premium?`]);
});

test('a class of the file is there', () => {
  const { keys } = load(
    `keys: [{ id: a, key: ${key}, rate_class: own }]\nlimits: { classes: { own: { concurrent: 1 } } }`,
  );
  expect(keys[0]?.rateClass).toBe('own');
});
