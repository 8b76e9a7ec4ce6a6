import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModelCapability, SecurityLevel } from '../../gen/llmgateway/v1/models_service_pb.js';
import { read } from './support.ts';

const good = { id: 'a', provider: 'openai' };

describe('an entry', () => {
  test('with everything', () => {
    const { catalogue, lines } = read([
      { id: 'b', provider: 'xai' },
      {
        id: 'a',
        provider: 'openai',
        upstream_id: 'A-1',
        aliases: ['One', 'two'],
        context_window: 1_000,
        max_output_tokens: '500',
        price: { input: 1, cached_input: 0.1, cache_write: 1.25, output: 0 },
        capabilities: ['chat', 'tools', 'tools', 'embeddings'],
        security_level: 'low',
        fallbacks: ['b'],
        timeouts: { connect: 1, first_byte: '2s', idle: '3m' },
        responses_only: true,
      },
    ]);
    expect(lines).toEqual([]);
    expect(catalogue.byId('a')).toMatchObject({
      model: {
        id: 'a',
        provider: 'openai',
        upstreamId: 'A-1',
        aliases: ['One', 'two'],
        contextWindow: 1_000,
        maxOutputTokens: 500,
        price: { input: 1, cachedInput: 0.1, cacheWrite: 1.25, output: 0 },
        capabilities: [ModelCapability.CHAT, ModelCapability.TOOLS, ModelCapability.EMBEDDINGS],
        securityLevel: SecurityLevel.LOW,
        fallbacks: ['b'],
      },
      timeouts: { connectMs: 1_000, firstByteMs: 2_000, idleMs: 180_000 },
      responsesOnly: true,
    });
    expect(catalogue.byAlias('one')).toBe(catalogue.byId('a'));
  });

  test('with as little as possible', () => {
    const { model, timeouts, responsesOnly } = read([good]).catalogue.entries[0]!;
    expect(model).toMatchObject({
      upstreamId: 'a',
      aliases: [],
      contextWindow: 0,
      maxOutputTokens: 0,
      capabilities: [ModelCapability.CHAT, ModelCapability.STREAMING],
      securityLevel: SecurityLevel.MEDIUM,
      fallbacks: [],
    });
    expect(model.price).toBeUndefined();
    expect([timeouts, responsesOnly]).toEqual([{}, false]);
  });

  test('a price that is not known is not 0', () => {
    const { price } = read([{ ...good, price: { output: 0 } }]).catalogue.entries[0]!.model;
    expect([price?.input, price?.output]).toEqual([undefined, 0]);
  });

  test.each([
    ['openrouter/qwen/x', 'openrouter', 'qwen/x'],
    ['llamacpp:x', 'llamacpp', 'x'],
    ['XAI/x', 'xai', 'x'],
    ['x', 'xai', 'x'],
  ])('%s is called %3$s by its provider', (id, provider, upstreamId) => {
    expect(read([{ id, provider }]).catalogue.entries[0]?.model.upstreamId).toBe(upstreamId);
  });

  test('may name a provider that is not there', () => {
    for (const provider of ['anthropic', 'google', 'bedrock', 'ollama', 'cli']) {
      expect(read([{ id: 'a', provider }]).lines).toEqual([]);
    }
  });
});

describe('several lists', () => {
  const { catalogue, lines } = read(
    [
      { id: 'a', provider: 'openai', aliases: ['x'] },
      { id: 'b', provider: 'openai' },
    ],
    null,
    undefined,
    [
      { id: 'a', provider: 'xai', aliases: ['y'] },
      { id: 'c', provider: 'xai', aliases: ['x'] },
    ],
  );

  test('later entries replace those of the same id, in their place', () => {
    expect(lines).toEqual([]);
    expect(catalogue.entries.map(({ model }) => `${model.provider} ${model.id}`)).toEqual([
      'xai a',
      'openai b',
      'xai c',
    ]);
  });

  test('what was replaced leaves nothing behind', () => {
    expect(catalogue.byAlias('x')?.model.id).toBe('c');
    expect(catalogue.byAlias('y')?.model.id).toBe('a');
    expect(catalogue.closest('openai', 'a-1')).toBeUndefined();
  });
});

describe('the longest match wins', () => {
  const { catalogue } = read([
    { id: 'gpt-4', provider: 'openai' },
    { id: 'gpt-4-turbo', provider: 'openai' },
    { id: 'gpt-4o', provider: 'openai' },
    { id: 'gpt-4o-mini', provider: 'openai' },
    { id: 'family', provider: 'anthropic', upstream_id: 'family-2025' },
    { id: 'other', provider: 'xai' },
  ]);

  test.each<[string, string, string | undefined]>([
    ['openai', 'gpt-4', 'gpt-4'],
    ['openai', 'gpt-4-0613', 'gpt-4'],
    ['openai', 'gpt-4-turbo-preview', 'gpt-4-turbo'],
    ['openai', 'gpt-4o-2024-08-06', 'gpt-4o'],
    ['openai', 'gpt-4o-mini-2024-07-18', 'gpt-4o-mini'],
    ['openai', 'gpt-4o:extended', 'gpt-4o'],
    ['openai', 'gpt-4.gguf', 'gpt-4'],
    ['openai', 'gpt-4.1', undefined],
    ['openai', 'gpt-45', undefined],
    ['openai', 'gpt-4x', undefined],
    ['openai', 'gpt', undefined],
    ['openai', 'GPT-4-0613', undefined],
    ['openai', 'other-1', undefined],
    ['anthropic', 'family-2025', 'family'],
    ['anthropic', 'family-2024', 'family'],
    ['none', 'gpt-4', undefined],
  ])('%s %s is a %s', (provider, name, id) => {
    expect(catalogue.closest(provider, name)?.model.id).toBe(id);
  });
});

describe('mistakes, one line each', () => {
  test.each<[string, unknown, RegExp]>([
    ['not a list', 'x', /^file0: models: is "x", has to be a list$/],
    ['not a map', ['x'], /^file0: models\[0\]: is "x", has to be a map of settings$/],
    ['no id', [{ provider: 'openai' }], /^file0: models\[0\]\.id: is missing$/],
    [
      'an id that is no text',
      [{ ...good, id: [1] }],
      /^file0: models\[0\]\.id: is \[1\], has to be text of 1 to 512 characters/,
    ],
    [
      'too long an id',
      [{ ...good, id: 'x'.repeat(513) }],
      /^file0: models\[0\]\.id: is "xxx.*\.\.\., has to be text of 1 to 512/,
    ],
    ['no provider', [{ id: 'a' }], /^file0: models\[0\]\.provider: is missing, has to be one of /],
    [
      'an unknown provider',
      [good, { id: 'b', provider: 'opnai' }],
      /^file0: models\[1\]\.provider: is "opnai", has to be one of .*openai/,
    ],
    [
      'an unknown field',
      [{ ...good, contxt_window: 1 }],
      /^file0: models\[0\]\.contxt_window: is not a setting; did you mean context_window\?$/,
    ],
    [
      'a field that every object has',
      [{ ...good, valueOf: 1 }],
      /^file0: models\[0\]\.valueOf: is not a setting$/,
    ],
    [
      'an unknown capability',
      [{ ...good, capabilities: ['tool'] }],
      /^file0: models\[0\]\.capabilities: "tool" is not one; did you mean tools\?$/,
    ],
    [
      'a capability that is nothing',
      [{ ...good, capabilities: ['unspecified'] }],
      /^file0: models\[0\]\.capabilities: "unspecified" is not one$/,
    ],
    [
      'a window of nothing',
      [{ ...good, context_window: 0 }],
      /^file0: models\[0\]\.context_window: is 0, has to be a whole number from 1/,
    ],
    [
      'a negative price',
      [{ ...good, price: { input: -1 } }],
      /^file0: models\[0\]\.price\.input: is -1, has to be USD for a million tokens/,
    ],
    [
      'an endless price',
      [{ ...good, price: { input: Number.POSITIVE_INFINITY } }],
      /^file0: models\[0\]\.price\.input: is /,
    ],
    ['a price that is no map', [{ ...good, price: 5 }], /^file0: models\[0\]\.price: is 5, has to be a map/],
    [
      'an unknown price',
      [{ ...good, price: { inputs: 1 } }],
      /^file0: models\[0\]\.price\.inputs: is not a setting; did you mean input\?$/,
    ],
    [
      'a wrong time',
      [{ ...good, timeouts: { idle: 'x' } }],
      /^file0: models\[0\]\.timeouts\.idle: is "x", has to be a time/,
    ],
    [
      'a wrong level',
      [{ ...good, security_level: 'x' }],
      /^file0: models\[0\]\.security_level: is "x", has to be one of low, medium, high$/,
    ],
    [
      'a wrong flag',
      [{ ...good, responses_only: 'x' }],
      /^file0: models\[0\]\.responses_only: is "x", has to be true or false$/,
    ],
    ['the same id twice', [good, good], /^file0: models\[1\]\.id: "a" is there twice$/],
    [
      'the same alias twice',
      [
        { ...good, aliases: ['x'] },
        { id: 'b', provider: 'xai', aliases: ['X'] },
      ],
      /^models: alias "X" of b is a name of a already$/,
    ],
    [
      'an alias that is an id',
      [good, { id: 'b', provider: 'openai', aliases: ['a'] }],
      /^models: alias "a" of b is a name of a already$/,
    ],
    [
      'an alias that is an id in another case',
      [
        { ...good, aliases: ['b'] },
        { id: 'B', provider: 'openai' },
      ],
      /^models: alias "b" of a is a name of B already$/,
    ],
    [
      "an alias that is the model's own id",
      [{ ...good, aliases: ['A'] }],
      /^models: alias "A" of a is a name of a already$/,
    ],
    [
      'an id with the prefix of another provider',
      [{ id: 'xai/a', provider: 'openai' }],
      /^models: name "xai\/a" of xai\/a begins with xai\/, which means provider xai, not openai$/,
    ],
    [
      'an alias with the prefix of another provider',
      [{ ...good, aliases: ['Fake/a'] }],
      /^models: name "Fake\/a" of a begins with fake\/, which means provider fake/,
    ],
    ['a fallback to nowhere', [{ ...good, fallbacks: ['z'] }], /^models: fallback "z" of a is not a model$/],
    [
      'a fallback to itself',
      [{ ...good, fallbacks: ['a'] }],
      /^models: fallback "a" of a is the model itself$/,
    ],
  ])('%s', (_what, models, line) => {
    expect(read(models).lines).toEqual([expect.stringMatching(line)]);
  });

  test('all at once', () => {
    expect(read([{ provider: 'x', price: 1 }, 5], 'x').lines).toHaveLength(5);
  });

  test('whatever stands there, nothing is thrown', () => {
    const value = fc.anything();
    const entry = fc.record(
      {
        id: fc.oneof(fc.string(), value),
        provider: fc.oneof(fc.constant('openai'), value),
        aliases: value,
        price: value,
        fallbacks: value,
        capabilities: value,
        timeouts: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(fc.property(fc.array(fc.oneof(entry, value)), (models) => void read(models)));
  });
});

describe('prices of several kinds', () => {
  test('are read with their variants', () => {
    const { catalogue, lines } = read([
      {
        ...good,
        price: {
          input: 1,
          cache_write_1h: 2,
          audio_input: 3,
          cached_audio_input: 0.3,
          image_input: 4,
          output: 5,
          reasoning: 6,
          audio_output: 7,
          request: 0.01,
          variants: [{ above: 200_000, service_tier: 'priority', input: 2 }],
        },
      },
    ]);
    expect(lines).toEqual([]);
    expect(catalogue.entries[0]?.model.price).toMatchObject({
      input: 1,
      cacheWrite1h: 2,
      audioInput: 3,
      cachedAudioInput: 0.3,
      imageInput: 4,
      output: 5,
      reasoning: 6,
      audioOutput: 7,
      request: 0.01,
      variants: [{ aboveTokens: 200_000, serviceTier: 'priority', price: { input: 2 } }],
    });
  });

  test.each([
    [
      'a variant without a condition',
      { variants: [{ input: 1 }] },
      /price\.variants\[0\]: has to have above or service_tier$/,
    ],
    [
      'a price finer than a picodollar',
      { input: 0.1234567 },
      /price\.input: is 0\.1234567, has to be .* at most six decimals$/,
    ],
    [
      'a variant of a variant',
      { variants: [{ above: 1, variants: [] }] },
      /variants\[0\]\.variants: is not a setting/,
    ],
  ])('%s is a mistake', (_what, price, line) => {
    expect(read([{ ...good, price }]).lines).toEqual([expect.stringMatching(line)]);
  });
});
