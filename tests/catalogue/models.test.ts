import { describe, expect, test } from 'vitest';
import { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import { readCatalogue } from '../../src/catalogue/catalogue.ts';
import { Problems } from '../../src/config/problems.ts';
import { knownProviders } from '../../src/config/provider-names.ts';
import { fakeKinds } from '../../src/providers/fake/behaviour.ts';
import { resolver, shipped, shippedModels } from './support.ts';

const { catalogue, lines } = shipped;

test('the catalogue has no mistakes', () => {
  expect(lines).toEqual([]);
  expect(catalogue.entries.length).toBeGreaterThan(60);
});

test('nor has it any when providers are switched off', () => {
  const problems = new Problems();
  readCatalogue([{ name: 'file', models: shippedModels }], new Map(), problems);
  expect(problems.lines).toEqual([]);
});

test('every name leads to its own entry', () => {
  for (const entry of catalogue.entries) {
    const { id, aliases, provider, upstreamId } = entry.model;
    const prefix = `${provider}/`;
    const names = [
      id,
      ...aliases,
      ...aliases.map((alias) => alias.toUpperCase()),
      prefix + id,
      prefix + upstreamId,
    ];
    for (const name of names) {
      const resolved = resolver.resolve(name);
      expect([resolved.provider, resolved.upstreamModel, resolved.exact], name).toEqual([
        provider,
        upstreamId,
        true,
      ]);
    }
    expect(resolver.resolve(id).entry).toBe(entry);
  }
});

test('every model has a provider that is known, and says what it can do', () => {
  for (const { model, responsesOnly } of catalogue.entries) {
    expect(Object.keys(knownProviders)).toContain(model.provider);
    const embeds = model.capabilities.includes(ModelCapability.EMBEDDINGS);
    expect(model.capabilities.includes(ModelCapability.CHAT), model.id).toBe(!responsesOnly && !embeds);
    expect(model.capabilities.includes(ModelCapability.RESPONSES) || !responsesOnly, model.id).toBe(true);
  }
});

test('models of this process and of local servers cost nothing, the others something', () => {
  for (const { model } of catalogue.entries) {
    if (model.price === undefined) continue;
    const free = ['fake', 'inference', 'ollama'].includes(model.provider);
    expect(model.price.output === 0, model.id).toBe(free);
    expect(model.price.cachedInput ?? 0, model.id).toBeLessThanOrEqual(model.price.input ?? 0);
    expect(model.price.cacheWrite ?? Number.POSITIVE_INFINITY, model.id).toBeGreaterThanOrEqual(
      model.price.input ?? 0,
    );
  }
});

test('all fake models are there', () => {
  const fake = catalogue.entries.filter(({ model }) => model.provider === 'fake');
  expect(fake.map(({ model }) => model.upstreamId).sort()).toEqual([...fakeKinds].sort());
});

test.each([
  ['claude-sonnet-4-5', 3, 15],
  ['anthropic/claude-sonnet-4-5', 3, 15],
  ['claude-sonnet-4-5-20250929', 3, 15],
  ['anthropic/claude-haiku-4-5', 1, 5],
  ['claude-opus-4-5', 5, 25],
  ['claude-opus-4-5-20251101', 5, 25],
])('%s, by Anthropic’s own name, has a price and is asked for by it', (name, input, output) => {
  const { provider, upstreamModel, entry } = resolver.resolve(name);
  expect([provider, upstreamModel]).toEqual(['anthropic', name.replace('anthropic/', '')]);
  expect(entry?.model.price).toMatchObject({ input, output });
});

describe('what the gateways before this one knew', () => {
  test.each([
    [
      'inference',
      'phi-4 qwen2.5-7b qwen3-8b llama-3.2-3b gpt-oss-20b deepseek-r1-7b phi-3-medium-128k codellama-7b-instruct codellama-13b qwen2.5-coder-7b qwen3-coder-30b starcoder2-7b codegemma-7b deepseek-coder-v2-lite granite-8b-code-128k granite-20b-code',
    ],
    [
      'anthropic',
      'claude-opus-4.5 claude-sonnet-4.5 claude-opus-4-5-20250514 claude-sonnet-4-5-20250514 claude-opus-4-20250514 claude-sonnet-4-20250514',
    ],
    ['openai', 'gpt-5.2 gpt-5.2-pro gpt-5.1 gpt-5 gpt-5-mini gpt-5-nano'],
    ['google', 'gemini-2.5-pro gemini-2.5-flash gemini-2.0-flash gemini-1.5-pro gemini-1.5-flash gemini-pro'],
    ['deepseek', 'deepseek-reasoner'],
    [
      'openrouter',
      'qwen/qwen3-coder qwen/qwen-2.5-coder-32b-instruct meta-llama/llama-3.1-70b-instruct mistralai/mistral-large-2411 mistralai/codestral-2501',
    ],
  ])('models of %s', (provider, names) => {
    for (const name of names.split(' '))
      expect(catalogue.within(provider, name)?.model.provider, name).toBe(provider);
  });

  test.each(['gpt-5.2-pro', 'gpt-5.1-pro', 'gpt-5-pro', 'o3', 'o3-mini', 'o1', 'o1-mini', 'o1-preview'])(
    '%s has only the Responses API',
    (id) => expect(catalogue.byId(id)?.responsesOnly).toBe(true),
  );

  test('no other model is without chat completions', () => {
    expect(catalogue.entries.filter(({ responsesOnly }) => responsesOnly)).toHaveLength(8);
  });

  test.each([
    ['qwen3-8b', 8_192],
    ['codellama-7b', 16_384],
    ['codellama-13b', 16_384],
    ['deepseek-coder-v2-lite', 131_072],
    ['llama-3.2-3b', 8_192],
    ['gpt-4', 8_192],
    ['gpt-4-turbo', 128_000],
    ['gpt-4-turbo-preview', 128_000],
    ['claude-3-sonnet-20240229', 200_000],
    ['claude-3-opus-20240229', 200_000],
    ['gpt-5.2', 128_000],
    ['gpt-5.2-pro', 128_000],
    ['gpt-5-mini', 128_000],
    ['gpt-5-nano', 128_000],
    ['claude-opus-4.5', 200_000],
    ['claude-sonnet-4.5', 200_000],
    ['claude-opus-4-5-20250514', 200_000],
    ['claude-sonnet-4-5-20250514', 200_000],
    ['gemini-2.0-flash', 1_048_576],
    ['gemini-1.5-pro', 2_097_152],
    ['gemini-1.5-flash', 1_048_576],
    ['gemini-pro', 32_768],
    ['deepseek-reasoner', 64_000],
  ])('window of %s', (name, tokens) => {
    expect(resolver.resolve(name).entry?.model.contextWindow).toBe(tokens);
  });

  test.each([
    ['claude-3-opus-20240229', 15, 75],
    ['claude-3-sonnet-20240229', 3, 15],
    ['claude-3-5-sonnet-20241022', 3, 15],
    ['claude-3-haiku-20240307', 0.25, 1.25],
    ['gpt-4', 30, 60],
    ['gpt-4-turbo', 10, 30],
    ['gpt-4o', 2.5, 10],
    ['gpt-4o-2024-08-06', 2.5, 10],
    ['gpt-4o-mini', 0.15, 0.6],
    ['gpt-3.5-turbo', 0.5, 1.5],
    ['ollama/llama2', 0, 0],
    ['ollama/llama3', 0, 0],
    ['ollama/mistral', 0, 0],
    ['ollama/codellama', 0, 0],
    ['claude-opus-4.5', 15, 75],
    ['claude-opus-4-5-20250514', 15, 75],
    ['claude-opus-4-20250514', 15, 75],
    ['claude-sonnet-4.5', 3, 15],
    ['claude-sonnet-4-5-20250514', 3, 15],
    ['claude-sonnet-4-20250514', 3, 15],
    ['gpt-5.2', 1.75, 14],
    ['gpt-5.2-pro', 21, 168],
    ['gpt-5-mini', 0.25, 2],
    ['gpt-5-nano', 0.05, 0.4],
    ['gemini-2.0-flash', 0.1, 0.4],
    ['gemini-1.5-pro', 1.25, 5],
    ['gemini-1.5-flash', 0.075, 0.3],
    ['gemini-pro', 0.5, 1.5],
    ['deepseek-reasoner', 0.14, 0.28],
    // Those of gpt-5 and DeepSeek were others there; these are the providers' own.
  ])('price of %s', (name, input, output) => {
    expect(resolver.resolve(name).entry?.model.price).toMatchObject({ input, output });
  });
});
