import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { decodeModelList } from '../../src/providers/openai-form/model-list.ts';

const decode = (json: unknown) => decodeModelList(json, 'p');
const one = (entry: object) => decode({ object: 'list', data: [{ id: 'm', ...entry }] })[0];
const {
  CHAT,
  STREAMING,
  TOOLS,
  VISION,
  AUDIO_INPUT,
  FILES,
  STRUCTURED_OUTPUT,
  REASONING,
  PROMPT_CACHE,
  LOGPROBS,
  EMBEDDINGS,
  AUDIO_OUTPUT,
} = ModelCapability;

describe('OpenRouter', () => {
  const entry = {
    id: 'anthropic/claude-sonnet-4.5',
    canonical_slug: 'anthropic/claude-4.5-sonnet-20250929',
    created: 1_759_161_676,
    context_length: 1_000_000,
    architecture: {
      modality: 'text+image->text',
      input_modalities: ['text', 'image', 'file', 'audio', 'smell'],
      output_modalities: ['text'],
      tokenizer: 'Claude',
    },
    pricing: {
      prompt: '0.000003',
      completion: '0.000015',
      request: '0',
      image: '0.0048',
      input_cache_read: '0.0000003',
      input_cache_write: '0.00000375',
    },
    top_provider: { context_length: 1_000_000, max_completion_tokens: 64_000, is_moderated: false },
    supported_parameters: [
      'include_reasoning',
      'reasoning',
      'tools',
      'tool_choice',
      'structured_outputs',
      'logprobs',
    ],
  };

  test('tells everything', () => {
    expect(decode({ data: [entry] })).toEqual([
      {
        id: 'anthropic/claude-sonnet-4.5',
        createdAt: 1_759_161_676,
        contextWindow: 1_000_000,
        maxOutputTokens: 64_000,
        price: { input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 },
        capabilities: [
          CHAT,
          STREAMING,
          TOOLS,
          VISION,
          AUDIO_INPUT,
          FILES,
          STRUCTURED_OUTPUT,
          REASONING,
          PROMPT_CACHE,
          LOGPROBS,
        ],
      },
    ]);
  });

  test.each<[object, unknown]>([
    [
      { prompt: '0', completion: '0' },
      { input: 0, output: 0 },
    ],
    [
      { prompt: '0.00000015', completion: '1e-7' },
      { input: 0.15, output: 0.1 },
    ],
    // It depends on where the call goes.
    [{ prompt: '-1', completion: '-1' }, undefined],
    [{ prompt: '0.1' }, undefined],
    [{ prompt: 'free', completion: '' }, undefined],
    // Others have numbers, by the million.
    [{ input: 3, output: 15, prompt: 3, completion: 15 }, undefined],
  ])('prices %j', (pricing, price) => {
    expect(one({ pricing })?.price).toEqual(price);
  });

  test('what a model puts out decides whether it chats', () => {
    const capabilities = (output_modalities: string[]) =>
      one({ architecture: { output_modalities } })?.capabilities;
    expect(capabilities(['embeddings'])).toEqual([EMBEDDINGS]);
    expect(capabilities(['image'])).toEqual([]);
    expect(capabilities(['text', 'audio'])).toEqual([CHAT, STREAMING, AUDIO_OUTPUT]);
  });
});

test('llama.cpp tells its window in meta, and what it can do in a second list', () => {
  const data = [
    {
      id: 'seen.gguf',
      object: 'model',
      created: 7,
      owned_by: 'llamacpp',
      meta: { n_ctx_train: 131_072, n_vocab: 9 },
    },
    { id: 'set.gguf', meta: { n_ctx_train: 131_072, n_ctx: 8_192 } },
    { id: 'loading.gguf', meta: null },
  ];
  const models = [{ name: 'seen.gguf', model: 'seen.gguf', capabilities: ['completion', 'multimodal'] }];
  expect(decode({ object: 'list', data, models })).toEqual([
    { id: 'seen.gguf', createdAt: 7, contextWindow: 131_072, capabilities: [CHAT, STREAMING, VISION] },
    { id: 'set.gguf', contextWindow: 8_192 },
    { id: 'loading.gguf' },
  ]);
});

test('the inference service tells the window', () => {
  const data = [
    { id: 'phi-4', status: 'loaded', memory_mb: 8_192, context_length: 16_384, roles: ['primary'] },
  ];
  expect(decode({ data, config: 'S1', orchestration_mode: 'single' })).toEqual([
    { id: 'phi-4', contextWindow: 16_384 },
  ]);
});

test.each([
  [{ context_window: 131_072, max_completion_tokens: 32_768 }, 131_072, 32_768],
  [{ max_model_len: 4_096 }, 4_096, undefined],
  [{ max_context_length: 32_768 }, 32_768, undefined],
  [{ context_window: 8, max_output_tokens: 4 }, 8, 4],
  [{ context_length: -1, top_provider: { context_length: 5 } }, 5, undefined],
  [{ context_length: 1e300, max_output_tokens: '9' }, undefined, undefined],
])('sizes of %j', (entry, contextWindow, maxOutputTokens) => {
  expect([one(entry)?.contextWindow, one(entry)?.maxOutputTokens]).toEqual([contextWindow, maxOutputTokens]);
});

test('a bare list is a list; nonsense in it is left out, the rest is not', () => {
  const odd = [
    null,
    7,
    'm',
    {},
    { id: '' },
    { id: 7 },
    { id: 'x'.repeat(1_000) },
    { id: 'a' },
    { id: 'a' },
    { id: 'b' },
  ];
  expect(decode(odd)).toEqual([{ id: 'a' }, { id: 'b' }]);
  expect(decode({ data: [] })).toEqual([]);
});

test('no more than 10,000 are taken', () => {
  const data = Array.from({ length: 20_000 }, (_, i) => ({ id: `m${i}` }));
  const models = decode({ data });
  expect([models.length, models.at(-1)?.id]).toEqual([10_000, 'm9999']);
});

test.each([null, 7, 'x', {}, { data: {} }, { error: { message: 'no' } }])('%j is no list', (json) => {
  expect(() => decode(json)).toThrow(GatewayError);
});

test('any JSON is a list of models or refused', () => {
  const entry = fc.record(
    {
      id: fc.oneof(fc.string(), fc.jsonValue()),
      architecture: fc.oneof(
        fc.jsonValue(),
        fc.record({ input_modalities: fc.jsonValue(), output_modalities: fc.jsonValue() }),
      ),
      pricing: fc.oneof(fc.jsonValue(), fc.record({ prompt: fc.jsonValue(), completion: fc.jsonValue() })),
      meta: fc.jsonValue(),
      top_provider: fc.jsonValue(),
      supported_parameters: fc.jsonValue(),
      context_length: fc.jsonValue(),
    },
    { requiredKeys: ['id'] },
  );
  const lists = fc.record({ data: fc.array(entry), models: fc.jsonValue() }, { requiredKeys: ['data'] });
  fc.assert(
    fc.property(fc.oneof(lists, fc.jsonValue()), (json) => {
      try {
        for (const { id } of decode(json)) expect(id).not.toBe('');
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
      }
    }),
    { numRuns: 500 },
  );
});
