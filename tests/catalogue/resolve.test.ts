import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Resolver } from '../../src/catalogue/resolve.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { read, resolver, rules, shipped } from './support.ts';

describe('names', () => {
  test.each([
    // A provider's prefix wins and is stripped.
    ['openai/gpt-4o-mini', 'openai', 'gpt-4o-mini'],
    ['openai/claude-3-opus', 'openai', 'claude-3-opus'],
    ['OpenAI/gpt-4o-mini', 'openai', 'gpt-4o-mini'],
    ['anthropic/claude-3-7-sonnet', 'anthropic', 'claude-3-7-sonnet'],
    ['google/gemini-pro', 'google', 'gemini-pro'],
    ['gemini/gemini-pro', 'google', 'gemini-pro'],
    ['deepseek/deepseek-chat', 'deepseek', 'deepseek-chat'],
    ['deepseek-api/deepseek-chat', 'deepseek', 'deepseek-chat'],
    ['openrouter/qwen/qwen3-coder', 'openrouter', 'qwen/qwen3-coder'],
    ['openrouter/openai/gpt-4o', 'openrouter', 'openai/gpt-4o'],
    ['ollama/llama3:8b', 'ollama', 'llama3:8b'],
    ['llamacpp/model', 'llamacpp', 'model'],
    ['llamacpp:model', 'llamacpp', 'model'],
    ['LLAMACPP:Model', 'llamacpp', 'Model'],
    ['gguf/model.gguf', 'llamacpp', 'model.gguf'],
    ['inference/any', 'inference', 'any'],
    ['local/phi-4', 'inference', 'phi-4'],
    ['local/openai/gpt-4', 'inference', 'openai/gpt-4'],
    ['bedrock/any', 'bedrock', 'any'],
    ['xai/grok-4', 'xai', 'grok-4'],
    ['grok/grok-4', 'xai', 'grok-4'],
    ['cli/claude', 'cli', 'claude'],
    ['fake/echo?words=3', 'fake', 'echo?words=3'],
    // Behind it stands an id or an alias of the provider's, or its own name for the model.
    ['anthropic/claude-opus-4.5', 'anthropic', 'claude-opus-4-20250514'],
    ['openai/gpt', 'openai', 'gpt-5.2'],
    ['openai/claude', 'openai', 'claude'],
    ['local/gpt', 'inference', 'gpt'],
    // Aliases, whatever their case.
    ['openai', 'openai', 'gpt-5.2'],
    ['chatgpt', 'openai', 'gpt-5.2'],
    ['ChatGPT', 'openai', 'gpt-5.2'],
    ['gpt', 'openai', 'gpt-5.2'],
    ['anthropic', 'anthropic', 'claude-opus-4-20250514'],
    ['CLAUDE', 'anthropic', 'claude-opus-4-20250514'],
    ['deepseek', 'deepseek', 'deepseek-reasoner'],
    ['reasoner', 'deepseek', 'deepseek-reasoner'],
    ['google', 'google', 'gemini-1.5-pro'],
    ['gemini', 'google', 'gemini-1.5-pro'],
    // Ids, which win over beginnings of names.
    ['gpt-oss-20b', 'inference', 'gpt-oss-20b'],
    ['deepseek-r1-7b', 'inference', 'deepseek-r1-7b'],
    ['deepseek-coder-v2-lite', 'inference', 'deepseek-coder-v2-lite'],
    ['phi-4', 'inference', 'phi-4'],
    ['claude-opus-4.5', 'anthropic', 'claude-opus-4-20250514'],
    // Beginnings of names.
    ['gpt-4o-2024-08-06', 'openai', 'gpt-4o-2024-08-06'],
    ['GPT-5.2', 'openai', 'GPT-5.2'],
    ['o1-pro', 'openai', 'o1-pro'],
    ['o3-deep-research', 'openai', 'o3-deep-research'],
    ['o4-mini', 'openai', 'o4-mini'],
    ['claude-next', 'anthropic', 'claude-next'],
    ['gemini-9', 'google', 'gemini-9'],
    ['deepseek-v9', 'deepseek', 'deepseek-v9'],
    ['grok-9', 'xai', 'grok-9'],
    // Everything else.
    ['some-unknown-model', 'inference', 'some-unknown-model'],
    ['vendor/unknown', 'inference', 'vendor/unknown'],
    ['PHI-4', 'inference', 'PHI-4'],
    ['o2', 'inference', 'o2'],
    ['__proto__', 'inference', '__proto__'],
    ['constructor', 'inference', 'constructor'],
  ])('%s goes to %s as %s', (name, provider, upstreamModel) => {
    for (let time = 0; time < 2; time++) {
      expect(resolver.resolve(name)).toMatchObject({ provider, upstreamModel });
    }
  });

  test('another default provider', () => {
    const other = new Resolver(shipped.catalogue, { ...rules, defaultProvider: 'openrouter' });
    expect(other.resolve('vendor/unknown')).toMatchObject({
      provider: 'openrouter',
      upstreamModel: 'vendor/unknown',
    });
  });

  test('the longest prefix wins', () => {
    const prefixes = new Map([
      ['a/', 'one'],
      ['a/b/', 'two'],
    ]);
    const two = new Resolver(shipped.catalogue, { ...rules, prefixes });
    expect(two.resolve('a/b/c')).toMatchObject({ provider: 'two', upstreamModel: 'c' });
    expect(two.resolve('a/bc')).toMatchObject({ provider: 'one', upstreamModel: 'bc' });
  });

  test('an id may hold the prefix, and another name at the provider', () => {
    const { catalogue } = read([
      { id: 'xai/fast', provider: 'xai', upstream_id: 'grok-x-fast', aliases: ['XAI/quick'] },
    ]);
    const own = new Resolver(catalogue, rules);
    for (const name of ['xai/fast', 'xai/quick', 'grok/grok-x-fast', 'grok-x-fast']) {
      expect(own.resolve(name), name).toMatchObject({
        provider: 'xai',
        upstreamModel: 'grok-x-fast',
        exact: true,
      });
    }
  });

  test('an id in upper case is found in its very spelling', () => {
    const { catalogue } = read([{ id: 'Big-Model', provider: 'xai', aliases: ['bm'] }]);
    const own = new Resolver(catalogue, rules);
    expect(own.resolve('Big-Model')).toMatchObject({ provider: 'xai', exact: true });
    expect(own.resolve('big-model')).toMatchObject({ provider: 'inference', exact: false });
    expect(own.resolve('BM')).toMatchObject({ provider: 'xai', upstreamModel: 'Big-Model' });
  });
});

describe('facts', () => {
  test('of the model itself, or of the closest', () => {
    expect(resolver.resolve('gpt-4o')).toMatchObject({ exact: true, entry: { model: { id: 'gpt-4o' } } });
    expect(resolver.resolve('gpt-4o-mini-2024-07-18')).toMatchObject({
      exact: false,
      entry: { model: { id: 'gpt-4o-mini' } },
    });
    expect(resolver.resolve('fake/echo?words=3')).toMatchObject({
      exact: false,
      entry: { model: { id: 'fake/echo' } },
    });
    expect(resolver.resolve('openrouter/unknown')).toMatchObject({ exact: false, entry: null });
  });

  test('never of another provider', () => {
    expect(resolver.resolve('openrouter/gpt-4o').entry).toBeNull();
    expect(resolver.resolve('local/claude-opus-4.5').entry).toBeNull();
  });
});

describe('no name', () => {
  test.each(['', ' ', '\t\n', 'openai/', 'llamacpp:', 'OPENROUTER/  ', 'x'.repeat(513)])('%j', (name) => {
    for (let time = 0; time < 2; time++) {
      try {
        resolver.resolve(name);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect(error).toMatchObject({ reason: ErrorReason.INVALID_REQUEST, facts: { field: 'model' } });
      }
    }
  });

  test('the longest name that there may be', () => {
    expect(resolver.resolve('x'.repeat(512)).provider).toBe('inference');
  });
});

describe('what is kept', () => {
  test('the same answer for the same name', () => {
    expect(resolver.resolve('gpt-4o')).toBe(resolver.resolve('gpt-4o'));
  });

  test('is bounded, and right however many names there were', () => {
    const before = resolver.resolve('gpt-4o');
    for (let i = 0; i < 10_000; i++) resolver.resolve(`model-${i}`);
    const after = resolver.resolve('gpt-4o');
    expect(after).toEqual(before);
    expect(after).not.toBe(before);
  });

  test('is nothing long', () => {
    const name = 'x'.repeat(300);
    expect(resolver.resolve(name)).toEqual(resolver.resolve(name));
    expect(resolver.resolve(name)).not.toBe(resolver.resolve(name));
  });
});

describe('properties', () => {
  const anyCase = (text: string) =>
    fc
      .infiniteStream(fc.boolean())
      .map((upper) => [...text].map((c) => (upper.next().value ? c.toUpperCase() : c)).join(''));

  test('nothing but GatewayErrors is thrown', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 600 })), (name) => {
        try {
          const { provider, upstreamModel } = resolver.resolve(name);
          expect(provider).not.toBe('');
          expect(upstreamModel).not.toBe('');
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error;
        }
      }),
    );
  });

  test('a prefix always wins, in any case, and is stripped', () => {
    const prefixed = fc
      .constantFrom(...rules.prefixes.keys())
      .chain((prefix) => fc.tuple(fc.constant(prefix), anyCase(prefix)));
    const names = shipped.catalogue.entries.flatMap(({ model }) => [model.id, ...model.aliases]);
    const rest = fc.oneof(fc.string({ minLength: 1, maxLength: 300 }), fc.constantFrom(...names));
    fc.assert(
      fc.property(prefixed, rest, ([prefix, written], name) => {
        fc.pre(name.trim() !== '');
        const { provider, upstreamModel, entry } = resolver.resolve(written + name);
        expect(provider).toBe(rules.prefixes.get(prefix));
        if (entry === null) expect(upstreamModel).toBe(name);
        else expect(entry.model.provider).toBe(provider);
      }),
    );
  });

  test('a name leads to the same place whatever was asked before', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.string({ minLength: 1 }), (before, name) => {
        fc.pre(name.trim() !== '');
        const fresh = new Resolver(shipped.catalogue, rules);
        for (const other of before) if (other.trim() !== '') fresh.resolve(other);
        expect(fresh.resolve(name)).toEqual(new Resolver(shipped.catalogue, rules).resolve(name));
      }),
    );
  });
});
