import { describe, expect, test } from 'vitest';
import type {
  CreateEmbeddingsRequest,
  EmbeddingInput,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeEmbeddingsResponse } from '../../../src/codec/ollama-chat/decode-embeddings.ts';
import { encodeEmbeddingsRequest } from '../../../src/codec/ollama-chat/encode-embeddings.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';
import { recorded } from './support/recordings.ts';

const input = (content: EmbeddingInput['content']): EmbeddingInput => ({
  $typeName: 'llmgateway.v1.EmbeddingInput',
  content,
});
const request = (
  texts: readonly string[],
  rest: Partial<CreateEmbeddingsRequest> = {},
): CreateEmbeddingsRequest => ({
  $typeName: 'llmgateway.v1.CreateEmbeddingsRequest',
  model: 'x',
  inputs: texts.map((value) => input({ case: 'text', value })),
  taskType: '',
  user: '',
  ...rest,
});
const failure = (run: () => unknown): GatewayError => {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected an error');
};
const decode = (json: unknown, inputs = 1) => decodeEmbeddingsResponse(json, inputs, { provider: 'ollama' });

const exchanges = recorded('api_embed');
describe.skipIf(exchanges.length === 0)('recorded embeddings', () => {
  test.each(exchanges.map((exchange) => [exchange.title, exchange] as const))('%s', (_title, exchange) => {
    const {
      model,
      input: text,
      options,
    } = exchange.request as { model: string; input: string; options: object };
    const extras = build.extras('ollama.chat', JSON.stringify({ options }));
    const { body, warnings } = encodeEmbeddingsRequest(request([text], { extras }), model);
    // One text or a list of one is the same.
    expect(JSON.parse(body)).toEqual({ ...exchange.request, input: [text] });
    expect(warnings).toEqual([]);

    const json = JSON.parse(exchange.response.text);
    const { embeddings, usage, model: answered, extras: more } = decode(json, exchange.derived.vectors);
    expect(answered).toBe(json.model);
    expect(embeddings.map(({ index, values }) => [index, values])).toEqual([[0, json.embeddings[0]]]);
    expect(embeddings[0]?.values).toHaveLength(exchange.derived.dims!);
    expect(usage).toMatchObject({ promptTokens: json.prompt_eval_count, completionTokens: 0 });
    expect(more).toBeUndefined();
  });
});

describe('a request', () => {
  test('has all texts, dimensions and what only Ollama has', () => {
    const extras = build.extras('ollama.chat', '{"truncate":false,"keep_alive":"1m"}');
    const { body } = encodeEmbeddingsRequest(request(['a', 'é'], { dimensions: 256, extras }), 'm');
    expect(body).toBe('{"model":"m","input":["a","é"],"dimensions":256,"truncate":false,"keep_alive":"1m"}');
  });

  test('with token ids is refused', () => {
    const ids = { $typeName: 'llmgateway.v1.TokenIds' as const, ids: [1] };
    const tokens = input({ case: 'tokens', value: ids });
    const error = failure(() => encodeEmbeddingsRequest(request([], { inputs: [tokens] }), 'm'));
    expect(error.facts.field).toBe('input');
  });

  test('says what is left out, and cannot be sent elsewhere', () => {
    const { warnings } = encodeEmbeddingsRequest(request(['a'], { taskType: 'QUERY', user: 'u' }), 'm');
    expect(warnings.map(({ code }) => code)).toEqual(['dropped_task_type', 'dropped_user']);
    const extras = build.extras('ollama.chat', '{"model":"other"}');
    expect(failure(() => encodeEmbeddingsRequest(request(['a'], { extras }), 'm')).facts.field).toBe(
      'extras.json',
    );
  });
});

describe('an answer is refused', () => {
  test.each([
    ['without vectors', { model: 'm' }],
    ['with too few', { embeddings: [] }],
    ['with something else', { embeddings: ['AAAA'] }],
    ['with an empty one', { embeddings: [[]] }],
    ['with a hole', { embeddings: [[1, null]] }],
    ['that is no object', 7],
  ])('%s', (_what, json) => {
    expect(failure(() => decode(json)).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test('that is an error', () => {
    expect(failure(() => decode({ error: 'no such model' })).rawMessage).toContain('no such model');
  });
});
