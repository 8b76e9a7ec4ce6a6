import { describe, expect, test } from 'vitest';
import { Windows } from '../../src/catalogue/windows.ts';
import type { Discovery } from '../../src/providers/discovery.ts';
import type { DiscoveredModel } from '../../src/providers/provider.ts';
import { KnownModels } from '../../src/rpc/known-models.ts';
import { read, resolver, shipped } from './support.ts';

const discovered = (models: Record<string, DiscoveredModel[]>): Discovery => ({
  modelsOf: (provider) => models[provider] ?? [],
  reachable: () => true,
  checkedAt: () => null,
  firstRound: Promise.resolve(),
  stop() {},
});
const known = (models: Record<string, DiscoveredModel[]> = {}) =>
  new KnownModels({ catalogue: shipped.catalogue, resolver, discovery: discovered(models), providers: [] });

describe('the context window', () => {
  const catalogued = known();
  test.each([
    // The tables of the gateways before this one.
    ['gpt-5.2', 128_000],
    ['gpt-5-mini', 128_000],
    ['gpt-5-nano', 128_000],
    ['gpt-4', 8_192],
    ['gpt-4-turbo', 128_000],
    ['claude-3-sonnet', 200_000],
    ['claude-3-opus', 200_000],
    ['claude-opus-4.5', 200_000],
    ['claude-sonnet-4.5', 200_000],
    ['claude-opus-4-5-20250514', 200_000],
    ['claude-sonnet-4-5-20250514', 200_000],
    ['gemini-2.0-flash', 1_048_576],
    ['gemini-1.5-pro', 2_097_152],
    ['gemini-1.5-flash', 1_048_576],
    ['gemini-pro', 32_768],
    ['deepseek-reasoner', 64_000],
    ['qwen3-8b', 8_192],
    ['codellama-7b', 16_384],
    ['codellama-13b', 16_384],
    ['deepseek-coder-v2-lite', 131_072],
    ['llama-3.2-3b', 8_192],
    // Aliases and prefixes.
    ['gpt', 128_000],
    ['openai/gpt-4-turbo', 128_000],
    ['fake/echo?words=8', 1_000_000],
    // The longest match wins.
    ['gpt-4-turbo-preview', 128_000],
    ['gpt-4-0613', 8_192],
    ['gpt-4o-2024-08-06', 128_000],
    // The same models at other places.
    ['claude-sonnet-4-5', 200_000],
    ['claude-opus-4-8', 200_000],
    ['claude-3-5-sonnet-latest', 200_000],
    ['openrouter/anthropic/claude-3-opus:beta', 200_000],
    ['openrouter/openai/gpt-4-turbo', 128_000],
    ['bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0', 200_000],
    ['bedrock/anthropic.claude-3-sonnet-20240229-v1:0', 200_000],
    ['ollama/QWEN3-8B', 8_192],
    // Nobody knows.
    ['gpt-4.1', 1_047_576],
    ['gpt-4.5', 8_192],
    ['my-gpt-40', 8_192],
    ['inference/mistral', 8_192],
    ['some-model', 8_192],
  ])('of %s is %d tokens', (name, window) => {
    expect(catalogued.contextWindow(name)).toBe(window);
  });

  test("that the catalogue does not say, or not of this very model, is the provider's own", () => {
    const models = known({
      ollama: [{ id: 'qwen3-8b', aliases: ['qwen3'], contextWindow: 40_960 }],
      openai: [
        { id: 'gpt-4-0613', contextWindow: 9_000 },
        { id: 'gpt-4', contextWindow: 7 },
      ],
      inference: [{ id: 'phi-4', contextWindow: 16_000 }, { id: 'unsaid' }],
    });
    expect(models.contextWindow('ollama/qwen3-8b')).toBe(40_960);
    expect(models.contextWindow('ollama/qwen3')).toBe(40_960);
    expect(models.contextWindow('phi-4')).toBe(16_000);
    expect(models.contextWindow('gpt-4-0613')).toBe(9_000);
    expect(models.contextWindow('gpt-4')).toBe(8_192);
    expect(models.contextWindow('inference/unsaid')).toBe(8_192);
  });

  test('is that of the longest known name, as whole words', () => {
    const { catalogue } = read([
      { id: 'big', provider: 'openai', context_window: 1 },
      { id: 'bigger', provider: 'openai', context_window: 2 },
      { id: 'bigger-still', provider: 'openai', context_window: 3 },
      { id: 'bigger-unknown', provider: 'openai' },
    ]);
    const windows = new Windows(catalogue);
    expect(windows.like('bigger')).toBe(2);
    expect(windows.like('a/bigger-still-2')).toBe(3);
    expect(windows.like('bigger-unknown')).toBe(2);
    for (const name of ['xbigger', 'bigger2', 'bigger.2', 'biggers', 'big']) {
      expect(windows.like(name)).toBe(8_192);
    }
  });
});
