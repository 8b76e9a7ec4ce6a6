import { expect, test } from 'vitest';
import type { ConfigError } from '../../src/config/problems.ts';
import { load } from './support/load.ts';

const mistakes = (yaml: string, env: Record<string, string> = {}): readonly string[] => {
  try {
    load(yaml, env);
  } catch (error) {
    return (error as ConfigError).lines;
  }
  return [];
};

test('budgets are read with all their conditions', () => {
  const { budgets, defaultPrice } = load(
    `budgets:
  - { name: a, usd: 0.5, per: day }
  - { name: b, usd: '10', per: month, tenant: t, owner: o, key: k, provider: openai, model: 'gpt-*', alert_at: [50] }
usage: { default_price: { input: 1, output: 2 } }`,
    {},
  );
  const none = { tenant: null, owner: null, key: null, provider: null, model: null, alertAt: null };
  expect(budgets).toEqual([
    { ...none, name: 'a', usd: 0.5, per: 'day' },
    {
      name: 'b',
      usd: 10,
      per: 'month',
      tenant: 't',
      owner: 'o',
      key: 'k',
      provider: 'openai',
      model: 'gpt-*',
      alertAt: [50],
    },
  ]);
  expect(defaultPrice).toEqual({ input: 1, output: 2 });
});

test.each([
  ['budgets: 5', /^budgets: is 5, has to be a list of budgets$/],
  ['budgets: [{ usd: 1, per: day }]', /^budgets\[0\]\.name: is missing$/],
  ['budgets: [{ name: a, per: day }]', /^budgets\[0\]\.usd: is missing$/],
  ['budgets: [{ name: a, usd: 1 }]', /^budgets\[0\]\.per: is missing$/],
  ['budgets: [{ name: a/b, usd: 1, per: day }]', /^budgets\[0\]\.name: is "a\/b", has to be/],
  ['budgets: [{ name: a, usd: -1, per: day }]', /^budgets\[0\]\.usd: is -1, has to be US dollars/],
  [
    'budgets: [{ name: a, usd: 1, per: year }]',
    /^budgets\[0\]\.per: is "year", has to be one of day, month, total$/,
  ],
  ['budgets: [{ name: a, usd: 1, per: day, alert_at: [80, 50] }]', /^budgets\[0\]\.alert_at: /],
  [
    'budgets: [{ name: a, usd: 1, per: day, modle: x }]',
    /^budgets\[0\]\.modle: is not a setting; did you mean model\?$/,
  ],
  ['usage: { default_price: { in: 1 } }', /^usage\.default_price\.in: is not a setting/],
])('%s is a mistake that is told', (yaml, line) => {
  expect(mistakes(yaml)).toEqual([expect.stringMatching(line)]);
});

test('two budgets of one name, and budgets where nothing is counted, are mistakes', () => {
  expect(mistakes('budgets: [{ name: a, usd: 1, per: day }, { name: a, usd: 2, per: day }]')).toEqual([
    'budgets[1].name: "a" is there twice',
  ]);
  expect(mistakes('budgets: [{ name: a, usd: 1, per: day }]', { LLM_GATEWAY_USAGE: 'false' })).toEqual([
    'budgets: need usage.enabled (LLM_GATEWAY_USAGE)',
  ]);
});
