import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SecurityLevel } from '../../gen/llmgateway/v1/models_service_pb.js';
import { readCatalogue } from '../../src/catalogue/catalogue.ts';
import { Resolver } from '../../src/catalogue/resolve.ts';
import { foreignPrefixes, namePatterns } from '../../src/config/builtin-providers.ts';
import { parseYaml } from '../../src/config/file.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Problems } from '../../src/config/problems.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';

const file = path.resolve(import.meta.dirname, '../../config/models.yaml');
const config = loadConfig({ env: {}, cwd: import.meta.dirname });
const levels = new Map<string, SecurityLevel>([
  ...config.providers.map(({ name }) => [name, SecurityLevel.MEDIUM] as const),
  ...namePatterns.map(([, name]) => [name, SecurityLevel.MEDIUM] as const),
]);

function read(models: unknown, name = 'test') {
  const problems = new Problems();
  return { catalogue: readCatalogue([{ name, models }], levels, problems), lines: problems.lines };
}

const own = read(parseYaml(readFileSync(file, 'utf8'), file, {})['models'], file);
const prefixes = new Map(Object.entries(foreignPrefixes));
for (const { name, prefixes: ours } of config.providers)
  for (const prefix of ours) prefixes.set(prefix, name);
const resolver = new Resolver(own.catalogue, {
  prefixes,
  patterns: namePatterns,
  defaultProvider: 'inference',
});

test('the catalogue has no mistakes', () => {
  expect(own.lines).toEqual([]);
  expect(own.catalogue.entries.length).toBeGreaterThan(60);
});

describe('names', () => {
  test.each([
    ['openai/gpt-4o-mini', 'openai', 'gpt-4o-mini'],
    ['OpenAI/gpt-4o-mini', 'openai', 'gpt-4o-mini'],
    ['openrouter/qwen/qwen3-coder', 'openrouter', 'qwen/qwen3-coder'],
    ['openrouter/openai/gpt-4o', 'openrouter', 'openai/gpt-4o'],
    ['deepseek-api/deepseek-chat', 'deepseek', 'deepseek-chat'],
    ['deepseek/deepseek-chat', 'deepseek', 'deepseek-chat'],
    ['xai/grok-4', 'xai', 'grok-4'],
    ['grok/grok-4', 'xai', 'grok-4'],
    ['llamacpp/model', 'llamacpp', 'model'],
    ['llamacpp:model', 'llamacpp', 'model'],
    ['gguf/model.gguf', 'llamacpp', 'model.gguf'],
    ['local/phi-4', 'inference', 'phi-4'],
    ['inference/any', 'inference', 'any'],
    ['fake/echo?words=3', 'fake', 'echo?words=3'],
    ['anthropic/claude-opus-4.5', 'anthropic', 'claude-opus-4.5'],
    ['gemini/gemini-pro', 'google', 'gemini-pro'],
    ['bedrock/any', 'bedrock', 'any'],
    ['gpt', 'openai', 'gpt-5.2'],
    ['ChatGPT', 'openai', 'gpt-5.2'],
    ['openai', 'openai', 'gpt-5.2'],
    ['claude', 'anthropic', 'claude-opus-4-5-20250514'],
    ['reasoner', 'deepseek', 'deepseek-reasoner'],
    ['gemini', 'google', 'gemini-1.5-pro'],
    ['gpt-oss-20b', 'inference', 'gpt-oss-20b'],
    ['deepseek-r1-7b', 'inference', 'deepseek-r1-7b'],
    ['deepseek-coder-v2-lite', 'inference', 'deepseek-coder-v2-lite'],
    ['gpt-4o-2024-08-06', 'openai', 'gpt-4o-2024-08-06'],
    ['o4-mini', 'openai', 'o4-mini'],
    ['claude-next', 'anthropic', 'claude-next'],
    ['gemini-9', 'google', 'gemini-9'],
    ['deepseek-v9', 'deepseek', 'deepseek-v9'],
    ['grok-9', 'xai', 'grok-9'],
    ['some-unknown-model', 'inference', 'some-unknown-model'],
  ])('%s goes to %s as %s', (name, provider, upstreamModel) => {
    expect(resolver.resolve(name)).toMatchObject({ provider, upstreamModel });
  });

  test('facts of a dated version come from the longest id', () => {
    expect(resolver.resolve('gpt-4o-mini-2024-07-18').entry?.model.id).toBe('gpt-4o-mini');
    expect(resolver.resolve('gpt-4-turbo-preview').entry?.model.contextWindow).toBe(128_000);
    expect(resolver.resolve('gpt-4o-2024-08-06')).toMatchObject({ exact: false });
  });

  test('only GatewayErrors, and a prefix always wins', () => {
    fc.assert(
      fc.property(fc.constantFrom(...prefixes.keys(), ''), fc.string(), (prefix, rest) => {
        try {
          const { provider, upstreamModel } = resolver.resolve(prefix + rest);
          if (prefix !== '') expect([provider, upstreamModel]).toEqual([prefixes.get(prefix), rest]);
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect(rest.trim()).toBe('');
        }
      }),
    );
  });
});

describe('mistakes', () => {
  const good = { id: 'a', provider: 'openai' };
  test.each([
    ['not a list', 'x', /models is "x", has to be a list/],
    ['no id', [{ provider: 'openai' }], /models\[0\]\.id: is missing/],
    [
      'an unknown provider',
      [{ id: 'a', provider: 'opnai' }],
      /models\[0\]\.provider: is "opnai", has to be one of/,
    ],
    [
      'an unknown key',
      [{ ...good, contxt_window: 1 }],
      /contxt_window: is not a setting; did you mean context_window\?/,
    ],
    [
      'an unknown capability',
      [{ ...good, capabilities: ['tool'] }],
      /"tool" is not one; did you mean tools\?/,
    ],
    ['a negative price', [{ ...good, price: { input: -1 } }], /price\.input: is -1/],
    ['the same id twice', [good, good], /"a" is there twice/],
    [
      'an alias that is an id',
      [good, { id: 'b', provider: 'openai', aliases: ['a'] }],
      /alias "a" of b is a name of a already/,
    ],
    ['a fallback to nowhere', [{ ...good, fallbacks: ['z'] }], /fallback "z" of a is not a model/],
  ])('%s', (_what, models, line) => {
    expect(read(models).lines).toEqual([expect.stringMatching(line)]);
  });
});
