import { describe, expect, test } from 'vitest';
import { anonymous } from '../../src/auth/principal.ts';
import {
  type Candidate,
  type QueryProviders,
  secureModelsOf,
  selectProvider,
  targetOf,
} from '../../src/rpc/query-providers.ts';

const candidate = (
  provider: string,
  costPerToken: number | null,
  more: Partial<Candidate> = {},
): Candidate => ({
  provider,
  prefix: `${provider}/`,
  model: `${provider}/m`,
  upstreamModel: 'm',
  names: [`${provider}/m`],
  costPerToken,
  secure: false,
  available: true,
  free: costPerToken === 0,
  ...more,
});
const high = { secure: true };
const all = [
  candidate('ollama', 0, high),
  candidate('xai', 2),
  candidate('anthropic', 1),
  candidate('bedrock', 1, high),
  candidate('mystery', null),
];
const known = (candidates: readonly Candidate[]): QueryProviders => ({
  candidates: () => candidates,
  find: (name) => candidates.find(({ provider }) => provider === name) ?? null,
  reasons: () => false,
  belongs: (model, provider) => model.startsWith(`${provider}/`),
});
const names = (found: readonly Candidate[]): string[] => found.map(({ provider }) => provider);

describe('those that may be asked', () => {
  test('come by price, and in their order where it is the same; unknown prices last', () => {
    expect(names(selectProvider(all, false))).toEqual(['ollama', 'anthropic', 'bedrock', 'xai', 'mystery']);
  });

  test('are available, and secure for sensitive text', () => {
    expect(names(selectProvider(all, true))).toEqual(['ollama', 'bedrock']);
    const away = all.map((one) => ({ ...one, available: one.provider !== 'ollama' }));
    expect(names(selectProvider(away, true))).toEqual(['bedrock']);
    expect(selectProvider([candidate('x', 1, { model: '' })], false)).toEqual([]);
  });
});

describe('a query goes', () => {
  const to = (provider: string, model: string, principal = anonymous) =>
    targetOf({ provider, model }, known(all), principal);

  test.each([
    ['', '', 'ollama/m', ['anthropic/m', 'bedrock/m', 'xai/m', 'mystery/m']],
    ['auto', '', 'ollama/m', ['anthropic/m', 'bedrock/m', 'xai/m', 'mystery/m']],
    ['grok', '', 'xai/m', []],
    ['grok', 'grok-4', 'xai/grok-4', []],
    ['xai', 'xai/grok-4', 'xai/grok-4', []],
    ['', 'gpt-4o', 'gpt-4o', []],
    ['auto', 'gpt-4o', 'gpt-4o', []],
  ])('of provider %j and model %j to %s', (provider, model, first, fallbacks) => {
    expect(to(provider, model)).toEqual({ model: first, fallbacks, chosen: fallbacks.length > 0 });
  });

  test('to secure ones that its key allows when it is sensitive', () => {
    expect(secureModelsOf(known(all), anonymous)).toEqual(['ollama/m', 'bedrock/m']);
    expect(secureModelsOf(known(all), { ...anonymous, models: ['xai/*', 'bedrock/*'] })).toEqual([
      'bedrock/m',
    ]);
  });

  test('nowhere else than its key allows, and nowhere when nobody is there', () => {
    const principal = { ...anonymous, models: ['xai/*'] };
    expect(to('', '', principal)).toEqual({ model: 'xai/m', fallbacks: [], chosen: true });
    expect(to('', '', { ...anonymous, models: ['nobody/*'] })).toBeNull();
    expect(() => to('nobody', '')).toThrow(/no provider nobody/);
  });
});

test('errors call a provider and a field as the client does', () => {
  const models = known([candidate('xai', 1, { model: '' })]);
  const of = (provider: string, at?: string) => () =>
    targetOf({ provider, model: '' }, models, anonymous, at);
  const failure = (text: string, field: string) =>
    expect.objectContaining({ message: expect.stringContaining(text), facts: { field } });
  expect(of('grok', 'query.')).toThrow(failure('provider grok has no model', 'query.model'));
  expect(of('Nobody', 'query.')).toThrow(failure('no provider nobody', 'query.provider'));
  expect(of('nobody')).toThrow(failure('no provider nobody', 'provider'));
});
