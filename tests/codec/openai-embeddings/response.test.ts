import fc from 'fast-check';
import type { CreateEmbeddingResponse } from 'openai/resources/embeddings';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeEmbeddingsResponse } from '../../../src/codec/openai-embeddings/decode-response.ts';
import { encodeEmbeddingsResponse } from '../../../src/codec/openai-embeddings/encode-response.ts';
import { shortFloat } from '../../../src/codec/openai-embeddings/short-float.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { embeddingsRequest, textInput } from '../../../src/model/build-embeddings.ts';
import { checkEmbeddings } from '../../../src/providers/check-embeddings.ts';

const decode = (json: unknown) => decodeEmbeddingsResponse(json, { provider: 'p' });
const base64 = (values: number[]) => Buffer.from(new Float32Array(values).buffer).toString('base64');
const answer = (...vectors: unknown[]) => ({
  object: 'list',
  data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
  model: 'm',
  usage: { prompt_tokens: 3, total_tokens: 3 },
});
const failure = (act: () => unknown): GatewayError => {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('was taken');
};

describe('an answer', () => {
  test.each<CreateEmbeddingResponse | Record<string, unknown>>([
    answer([0.0023064255, -0.009327292, 1, 0], [-0.0028842222, 3.4e-8, 12.5, -0]),
    {
      ...answer([0.5]),
      usage: { prompt_tokens: 8, total_tokens: 8, cost: 0.1, details: null },
      id: 'x',
      served_by: { a: [1] },
    },
    {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [0.5], truncated: true }],
      model: '',
    },
  ])('comes out as it went in: %j', (json) => {
    const expected = JSON.parse(JSON.stringify(json, (_key, value) => (value === null ? undefined : value)));
    expect(JSON.parse(encodeEmbeddingsResponse(decode(json), 'float'))).toEqual(expected);
  });

  test('in numbers comes out as the same floats as in base64', () => {
    const numbers = [1 / 3, 0.1234567890123456, 123456.789, 5e-324, -0.0, 3.4028234663852886e38, 2 ** -149];
    const printed = [0.33333334, 0.12345679, 123456.79, 0, 0, 3.4028235e38, 1e-45];
    for (const vector of [numbers, base64(numbers)]) {
      const response = decode(answer(vector));
      checkEmbeddings(response, embeddingsRequest('m', [textInput('a')]), 'p');
      expect(response.embeddings[0]?.values).toEqual(numbers.map((value) => Math.fround(value) + 0));
      const written = (encoding: 'float' | 'base64') =>
        JSON.parse(encodeEmbeddingsResponse(response, encoding)).data[0].embedding;
      expect(written('float')).toEqual(printed);
      expect(written('base64')).toBe(base64(numbers.map((value) => value + 0)));
    }
  });

  test('in base64 comes out the same, and as the same numbers', () => {
    const floats = [0.1, -1 / 3, 1e-7, 3e38, 0].map(Math.fround);
    const json = answer(base64(floats), base64([1, 2]));
    expect(JSON.parse(encodeEmbeddingsResponse(decode(json), 'base64'))).toEqual(json);
    const { data } = JSON.parse(encodeEmbeddingsResponse(decode(json), 'float'));
    expect(data[0].embedding.map(Math.fround)).toEqual(floats);
    expect(data[0].embedding.slice(0, 3)).toEqual([0.1, -0.33333334, 1e-7]);
    expect(decode(json).embeddings[0]?.values).toEqual(floats);
  });

  test('as numbers comes out as base64 of the nearest floats', () => {
    const { data } = JSON.parse(encodeEmbeddingsResponse(decode(answer([0.1, 0.2])), 'base64'));
    expect(data[0].embedding).toBe(base64([0.1, 0.2]));
  });

  test('has all members that the SDK requires', () => {
    const json = JSON.parse(encodeEmbeddingsResponse(decode(answer([1])), 'float'));
    const typed = json satisfies CreateEmbeddingResponse;
    expect(Object.keys(typed)).toEqual(['object', 'data', 'model', 'usage']);
    expect(Object.keys(typed.data[0])).toEqual(['object', 'index', 'embedding']);
  });

  test('without usage has none', () => {
    const { usage: _, ...json } = answer([1]);
    expect(encodeEmbeddingsResponse(decode(json), 'float')).not.toContain('usage');
    expect(decode({ ...json, usage: { prompt_tokens: 'x' } }).usage).toBeUndefined();
  });

  test('without numbers of the vectors is in its own order', () => {
    const json = { data: [{ embedding: [1] }, { embedding: [2] }] };
    expect(decode(json).embeddings.map(({ index, values }) => [index, ...values])).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });
});

describe('what is no answer', () => {
  test.each([
    [null],
    [[]],
    [{}],
    [{ data: {} }],
    [answer(null)],
    [answer('###')],
    [answer('AAAA')],
    [answer([1, null])],
    [answer([1, '2'])],
    [answer([[1, 2]])],
    [{ data: [1] }],
    [{ data: [{ index: -1, embedding: [1] }] }],
    [{ data: [{ index: 'a', embedding: [1] }] }],
  ])('is refused: %j', (json) => {
    expect(failure(() => decode(json))).toMatchObject({
      reason: ErrorReason.UPSTREAM_INVALID,
      facts: { provider: 'p' },
    });
  });

  test.each([
    [{ error: { message: 'Slow down', code: 'rate_limit_exceeded' } }, ErrorReason.UPSTREAM_RATE_LIMITED],
    [{ object: 'error', message: 'no embeddings here', code: 400 }, ErrorReason.UPSTREAM_REJECTED],
    [{ detail: 'model not loaded' }, ErrorReason.UPSTREAM_FAILED],
    [{ error: 'busy', data: [] }, ErrorReason.UPSTREAM_FAILED],
  ])('is an error in a good reply: %j', (json, reason) => {
    expect(failure(() => decode(json)).reason).toBe(reason);
  });

  test('any JSON is understood or refused', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const vector = fc.oneof(value, fc.array(fc.double()), fc.base64String());
    const item = fc.oneof(
      value,
      fc.record({ index: fc.oneof(fc.nat(3), value), embedding: vector }, { requiredKeys: [] }),
    );
    const json = fc.oneof(
      value,
      fc.record(
        { data: fc.oneof(fc.array(item), value), model: value, usage: value, error: value, x: value },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(json, (given) => {
        try {
          const made = decode(given);
          JSON.parse(encodeEmbeddingsResponse(made, 'float'));
          JSON.parse(encodeEmbeddingsResponse(made, 'base64'));
          return true;
        } catch (error) {
          return error instanceof GatewayError;
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the check of the vectors', () => {
  const check = (json: unknown, inputs: number, dimensions?: number) => {
    const request = embeddingsRequest(
      'm',
      Array(inputs).fill(textInput('x')),
      dimensions === undefined ? {} : { dimensions },
    );
    const response = decode(json);
    checkEmbeddings(response, request, 'p');
    return response.embeddings.map(({ values }) => values);
  };
  const numbered = (...indices: number[]) => ({
    data: indices.map((index) => ({ index, embedding: [index, 1] })),
  });

  test('puts them into the order of the inputs', () => {
    expect(check(numbered(2, 0, 1), 3)).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });

  test.each([
    ['fewer than inputs', numbered(0), 2],
    ['more than inputs', numbered(0, 1), 1],
    ['one twice', numbered(0, 0), 2],
    ['one missing', numbered(0, 2), 2],
    ['an empty one', answer([]), 1],
    ['NaN', answer(base64([1, Number.NaN])), 1],
    ['infinity', answer(base64([Number.NEGATIVE_INFINITY])), 1],
    ['more than a float can be', answer([1e39]), 1],
    ['more than a double can be', JSON.parse('{"data":[{"index":0,"embedding":[1e999]}]}'), 1],
  ])('refuses %s', (_what, json, inputs) => {
    expect(failure(() => check(json, inputs)).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test('refuses another length than was asked for', () => {
    expect(check(answer([1, 2]), 1, 2)).toEqual([[1, 2]]);
    expect(failure(() => check(answer([1, 2, 3]), 1, 2)).rawMessage).toContain('3 numbers, and not 2');
  });
});

describe('a float in print', () => {
  test('reads back as the very same float, of any size', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) =>
        Object.is(Math.fround(shortFloat(value)), value),
      ),
      { numRuns: 20_000 },
    );
  });

  const digitsOf = (value: number): string =>
    value.toExponential().replace(/e.*$/, '').replace(/\D/g, '').replace(/0+$/, '');

  test('has as few digits as read back as it, 9 at most, of any size', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const digits = digitsOf(shortFloat(value)).length;
        if (digits > 9) return false;
        return digits < 2 || Math.fround(Number(value.toPrecision(digits - 1))) !== value;
      }),
      { numRuns: 20_000 },
    );
  });

  test('is the number of 6 digits or fewer that it was made of', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999_999 }),
        fc.constantFrom(1, 1e1, 1e3, 1e6, 1e8),
        (number, scale) => shortFloat(Math.fround(number / scale)) === number / scale,
      ),
    );
  });

  test('and a number that is no float is the next one that is', () => {
    expect(shortFloat(0.1)).toBe(0.1);
    expect(shortFloat(0.1234567890123456)).toBe(0.12345679);
    expect(Object.is(shortFloat(-0), -0)).toBe(true);
  });
});
