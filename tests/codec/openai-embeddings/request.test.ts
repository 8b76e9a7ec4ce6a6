import fc from 'fast-check';
import type { EmbeddingCreateParams } from 'openai/resources/embeddings';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeEmbeddingsRequest } from '../../../src/codec/openai-embeddings/decode-request.ts';
import { encodeEmbeddingsRequest } from '../../../src/codec/openai-embeddings/encode-request.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';
import { embeddingsRequest, textInput, tokensInput } from '../../../src/model/build-embeddings.ts';

const rejected = (json: unknown): GatewayError => {
  try {
    decodeEmbeddingsRequest(json);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('was taken');
};
const encoded = (json: unknown, encoding: 'float' | 'base64' = 'float') => {
  const { request } = decodeEmbeddingsRequest(json);
  return encodeEmbeddingsRequest(request, { model: request.model, encoding });
};

describe('a request', () => {
  test.each<EmbeddingCreateParams & Record<string, unknown>>([
    { model: 'm', input: 'Hello' },
    { model: 'm', input: ['Hello', 'there', ' '] },
    { model: 'm', input: [1, 2, 4_294_967_295] },
    { model: 'm', input: [[1], [2, 3]] },
    { model: 'm', input: 'x', dimensions: 256, user: 'me' },
    { model: 'm', input: 'x', task_type: 'CLUSTERING' },
    { model: 'm', input: 'x', input_type: 'query', custom: { deep: [1, null, { a: 'ü' }] } },
    { model: 'm', input: '\ud800 "\\\n' },
  ])('comes out as it went in: %j', (json) => {
    const { body, warnings } = encoded(json);
    expect(JSON.parse(body)).toEqual(json);
    expect(warnings).toEqual([]);
  });

  test('a list of one is that one', () => {
    expect(JSON.parse(encoded({ model: 'm', input: ['x'] }).body).input).toBe('x');
    expect(JSON.parse(encoded({ model: 'm', input: [[1, 2]] }).body).input).toEqual([1, 2]);
  });

  test('null is unset', () => {
    const json = { model: 'm', input: 'x' };
    const nulls = { dimensions: null, encoding_format: null, user: null, task_type: null, drop_params: null };
    expect(encoded({ ...json, ...nulls }).body).toBe(JSON.stringify(json));
  });

  test('the encoding is between each two sides', () => {
    expect(decodeEmbeddingsRequest({ model: 'm', input: 'x' }).encoding).toBe('float');
    const json = { model: 'm', input: 'x', encoding_format: 'base64' };
    expect(decodeEmbeddingsRequest(json).encoding).toBe('base64');
    expect(encoded(json).body).not.toContain('encoding_format');
    expect(JSON.parse(encoded({ model: 'm', input: 'x' }, 'base64').body)).toMatchObject({
      encoding_format: 'base64',
    });
  });

  test('what is asked of the gateway is not sent on', () => {
    const json = { model: 'm', input: 'x', drop_params: true };
    expect(decodeEmbeddingsRequest(json).request.dropParams).toBe(true);
    expect(encoded(json).body).not.toContain('drop_params');
  });

  test("another dialect's keys are reported", () => {
    const extras = build.extras('google.gemini', '{"title":"x"}');
    const request = embeddingsRequest('m', [textInput('x')], { extras });
    const { body, warnings } = encodeEmbeddingsRequest(request, { model: 'n', encoding: 'float' });
    expect(body).toBe('{"model":"n","input":"x"}');
    expect(warnings).toMatchObject([{ code: 'dropped_extras' }]);
  });

  test('texts and token ids cannot be mixed', () => {
    const request = embeddingsRequest('m', [textInput('x'), tokensInput([1])]);
    expect(() => encodeEmbeddingsRequest(request, { model: 'm', encoding: 'float' })).toThrow(/inputs/);
  });
});

describe('a bad request is told its field', () => {
  test.each([
    ['body', null],
    ['body', []],
    ['model', { input: 'x' }],
    ['model', { model: '', input: 'x' }],
    ['model', { model: 'm'.repeat(513), input: 'x' }],
    ['input', { model: 'm' }],
    ['input', { model: 'm', input: null }],
    ['input', { model: 'm', input: '' }],
    ['input', { model: 'm', input: {} }],
    ['input', { model: 'm', input: [] }],
    ['input', { model: 'm', input: Array(2049).fill('x') }],
    ['input', { model: 'm', input: Array(131_073).fill(1) }],
    ['input[1]', { model: 'm', input: ['x', ''] }],
    ['input[0]', { model: 'm', input: [null] }],
    ['input[0]', { model: 'm', input: [{ text: 'x' }] }],
    ['input[1]', { model: 'm', input: ['x', 1] }],
    ['input[1]', { model: 'm', input: [1, 'x'] }],
    ['input[1]', { model: 'm', input: [1, -1] }],
    ['input[0]', { model: 'm', input: [1.5] }],
    ['input[0]', { model: 'm', input: [2 ** 32] }],
    ['input[0]', { model: 'm', input: [[]] }],
    ['input[1]', { model: 'm', input: [[1], 2] }],
    ['input[1][0]', { model: 'm', input: [[1], ['x']] }],
    ['dimensions', { model: 'm', input: 'x', dimensions: 0 }],
    ['dimensions', { model: 'm', input: 'x', dimensions: -1 }],
    ['dimensions', { model: 'm', input: 'x', dimensions: 1.5 }],
    ['dimensions', { model: 'm', input: 'x', dimensions: '256' }],
    ['encoding_format', { model: 'm', input: 'x', encoding_format: 'hex' }],
    ['encoding_format', { model: 'm', input: 'x', encoding_format: 1 }],
    ['user', { model: 'm', input: 'x', user: 1 }],
    ['task_type', { model: 'm', input: 'x', task_type: [] }],
    ['drop_params', { model: 'm', input: 'x', drop_params: 'yes' }],
  ])('%s', (field, json) => {
    const error = rejected(json);
    expect([error.reason, error.facts.field]).toEqual([ErrorReason.INVALID_REQUEST, field]);
  });

  test('without a word of what it says', () => {
    expect(rejected({ model: 'm', input: ['secret words', ['secret']] }).rawMessage).not.toContain('secret');
  });

  test('2048 texts are not too many', () => {
    expect(decodeEmbeddingsRequest({ model: 'm', input: Array(2048).fill('x') }).request.inputs).toHaveLength(
      2048,
    );
  });

  test('any JSON is taken, or refused with a field', () => {
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.array(fc.array(fc.integer())),
      fc.constant({ __proto__: null }),
    );
    const json = fc.oneof(
      value,
      fc.record(
        {
          model: fc.oneof(fc.string(), value),
          input: fc.oneof(fc.string(), fc.array(fc.string()), value),
          dimensions: value,
          encoding_format: value,
          user: value,
          other: value,
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(json, (given) => {
        try {
          const { body } = encoded(given);
          return typeof JSON.parse(body) === 'object';
        } catch (error) {
          return error instanceof GatewayError && error.facts.field !== undefined && error.facts.field !== '';
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
