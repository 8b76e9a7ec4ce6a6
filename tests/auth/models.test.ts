import { expect, test } from 'vitest';
import { checkModel, mayAsk } from '../../src/auth/models.ts';
import { anonymous, decodePrincipal, encodePrincipal, type Principal } from '../../src/auth/principal.ts';

const having = (...models: string[]): Principal => ({ ...anonymous, models });

test.each([
  [['gpt-4o'], ['gpt-4o'], true],
  [['gpt-4o'], ['GPT-4O'], true],
  [['gpt-4o'], ['gpt-4o-mini'], false],
  [['gpt-*'], ['gpt-4o-mini'], true],
  [['gpt-*'], ['xgpt-4o'], false],
  [['*'], ['anything/at:all'], true],
  [['openai/*'], ['gpt-4o', 'openai/gpt-4o'], true],
  [['a', '*/b'], ['x/b'], true],
  [['a.c'], ['abc'], false],
  [['(a|b)+$', '[x'], ['a'], false],
  [['ab*ba'], ['aba'], false],
  [['ab*ba'], ['abba'], true],
  [['a*b*a'], ['axa'], false],
  [['a*b*a'], ['axbya'], true],
  [['a**b'], ['a\nb'], true],
])('%j has %j: %j', (patterns, names, allowed) => {
  expect(mayAsk(having(...patterns), names)).toBe(allowed);
});

test('patterns take no time to speak of, however they are made', () => {
  const began = performance.now();
  expect(mayAsk(having(`${'*a'.repeat(120)}b`), ['a'.repeat(512)])).toBe(false);
  expect(performance.now() - began).toBeLessThan(1_000);
});

test('without patterns everything may be asked; what may not is named', () => {
  expect(mayAsk(anonymous, ['x'])).toBe(true);
  expect(() => checkModel(having('a'), ['b', 'p/b'], 'b')).toThrow('this key may not ask model "b"');
  expect(() => checkModel(having('a'), ['a'], 'a')).not.toThrow();
});

test('a principal comes back as it was kept, but as no administrator', () => {
  const principal: Principal = {
    id: 'i',
    tenant: 't',
    owner: 'o',
    rateClass: 'premium',
    models: ['a*'],
    budget: { usd: 1, per: 'day' },
    admin: true,
  };
  expect(decodePrincipal(encodePrincipal(principal), 't')).toEqual({ ...principal, admin: false });
  expect(encodePrincipal(anonymous)).toBe('');
  expect(decodePrincipal('', '')).toEqual(anonymous);
});
