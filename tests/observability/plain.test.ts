import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { plainFields } from '../../src/observability/plain.ts';

const plain = (value: unknown): unknown => plainFields({ value })['value'];

test.each<[string, unknown, unknown]>([
  ['text', 'a', 'a'],
  ['numbers', [1, 0, -1.5], [1, 0, -1.5]],
  ['what JSON has no number for', [Number.NaN, Number.POSITIVE_INFINITY, 10n], ['NaN', 'Infinity', '10']],
  ['flags and nothing', [true, null, undefined], [true, null, undefined]],
  ['functions and symbols', [() => 1, Symbol('x')], ['[function]', '[symbol]']],
  ['dates', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['dates that are none', new Date(Number.NaN), null],
  ['addresses', new URL('https://a.example/x'), 'https://a.example/x'],
  [
    'bytes',
    [Buffer.from('abc'), new Uint16Array(2), new ArrayBuffer(5)],
    ['[3 bytes]', '[4 bytes]', '[5 bytes]'],
  ],
  ['maps and sets', [new Map([['a', 1]]), new Set([1, 2])], [{ a: 1 }, [1, 2]]],
  ['headers', new Headers({ a: '1', Authorization: 'x' }), { a: '1', authorization: '[redacted]' }],
  [
    'instances of classes',
    new (class Thing {
      a = 1;
      #b = 2;
      b() {
        return this.#b;
      }
    })(),
    { a: 1 },
  ],
  ['objects without prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [
    'what throws when it is read',
    {
      get a() {
        throw new Error('x');
      },
    },
    '[unreadable]',
  ],
  [
    'what throws when it is written',
    {
      toJSON() {
        throw new Error('x');
      },
    },
    '[unreadable]',
  ],
])('%s', (_what, value, expected) => {
  expect(plain(value)).toEqual(expected);
});

describe('secrets', () => {
  test.each(['authorization', 'Api-Key', 'x-api-key', 'cookie', 'password', 'apiKey'])(
    'under %s, whatever they are',
    (name) => {
      for (const value of ['harmless', 5, ['a'], { a: 'b' }]) {
        expect(plainFields({ [name]: value })).toEqual({ [name]: '[redacted]' });
      }
      expect(plainFields({ [name]: null, a: { [name]: true } })).toEqual({
        [name]: null,
        a: { [name]: true },
      });
    },
  );

  test('under the name of a token only texts, in any depth', () => {
    expect(
      plainFields({ prompt_tokens: 3, access_token: 'a', tokens: { in: 1, list: ['a', 2], at: { b: 'c' } } }),
    ).toEqual({
      prompt_tokens: 3,
      access_token: '[redacted]',
      tokens: { in: 1, list: ['[redacted]', 2], at: { b: '[redacted]' } },
    });
  });

  test('in texts, in names, in maps, in errors and their causes', () => {
    const secret = 'sk-abcdefghijklmnop';
    const cause = Object.assign(new TypeError(`cause ${secret}`), { code: secret });
    const error = new AggregateError([new Error(secret)], `error ${secret}`, { cause });
    const fields = {
      text: `a ${secret}`,
      [secret]: 1,
      deep: [{ list: [new Map([[secret, secret]])] }],
      error,
      url: new URL(`https://u:${secret}@x`),
    };
    expect(JSON.stringify(plainFields(fields))).not.toContain(secret);
  });
});

describe('errors', () => {
  test('with frames, facts and causes', () => {
    const cause = Object.assign(new Error('no route'), { code: 'EHOSTUNREACH', syscall: 'connect' });
    const shown = plain(new TypeError('outer', { cause })) as Record<string, unknown>;
    expect(shown).toEqual({
      name: 'TypeError',
      message: 'outer',
      stack: expect.stringMatching(/^ {4}at /),
      cause: {
        name: 'Error',
        message: 'no route',
        code: 'EHOSTUNREACH',
        syscall: 'connect',
        stack: expect.stringMatching(/^ {4}at /),
      },
    });
  });

  test('of the gateway, with their reason and facts', () => {
    const error = new GatewayError(ErrorReason.UPSTREAM_TIMEOUT, 'too slow', {
      provider: 'xai',
      upstreamStatus: 504,
      cause: new Error('socket'),
    });
    const { stack, cause, ...shown } = plain(error.withDetails('r1')) as Record<string, unknown>;
    expect(shown).toMatchObject({ reason: 'upstream_timeout', provider: 'xai', upstreamStatus: 504 });
    expect(cause).toMatchObject({ message: 'socket' });
    expect(JSON.stringify({ stack, ...shown }).length).toBeLessThan(4_000);
  });

  test('that are their own cause', () => {
    const error = new Error('x');
    error.cause = error;
    expect(plain(error)).toMatchObject({ message: 'x', cause: '[circular]' });
  });

  test('whose chain of causes is long', () => {
    let error = new Error('0');
    for (let i = 1; i < 100; i++) error = new Error(`${i}`, { cause: error });
    expect(JSON.stringify(plain(error)).match(/"message"/g)?.length).toBeLessThan(8);
  });

  test('without a stack, or with a strange one', () => {
    const error = new Error('x');
    error.stack = undefined as unknown as string;
    expect(plain(error)).toEqual({ name: 'Error', message: 'x' });
    Object.assign(error, { stack: 5, message: { a: 1 }, name: 7 });
    expect(plain(error)).toEqual({ name: 7, message: { a: 1 } });
  });
});

describe('bounds', () => {
  test('depth', () => {
    let deep: unknown = 'bottom';
    for (let i = 0; i < 100; i++) deep = { deep };
    expect(JSON.stringify(plain(deep))).toBe('{"deep":{"deep":{"deep":{"deep":{"deep":"[left out]"}}}}}');
  });

  test('loops', () => {
    const loop: Record<string, unknown> = { a: 1 };
    loop['self'] = loop;
    loop['list'] = [loop];
    expect(plain(loop)).toEqual({ a: 1, self: '[circular]', list: ['[circular]'] });
    const shared = { a: 1 };
    expect(plain([shared, shared])).toEqual([shared, shared]);
  });

  test('breadth', () => {
    expect(plain(Array.from({ length: 1_000 }, () => 1))).toHaveLength(101);
    const wide = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i]));
    expect(Object.keys(plain(wide) as object)).toHaveLength(101);
    expect((plain(wide) as Record<string, unknown>)['…']).toBe('900 more');
  });

  test('length of a text, and of the whole', () => {
    expect((plain('x'.repeat(100_000)) as string).length).toBeLessThan(8_300);
    expect(
      (plainFields({ ['x'.repeat(1_000)]: 1 }) && Object.keys(plainFields({ ['x'.repeat(1_000)]: 1 }))[0])
        ?.length,
    ).toBeLessThan(300);
    const many = Array.from({ length: 100 }, () => Array.from({ length: 100 }, () => 'x'.repeat(10_000)));
    expect(JSON.stringify(plain(many)).length).toBeLessThan(300_000);
  });

  test('whatever it is, it becomes JSON and nothing is thrown', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), anything), (fields) => void JSON.stringify(plainFields(fields))),
    );
  });

  test('what was given is not changed', () => {
    const fields = { password: 'a', deep: { list: ['sk-abcdefghijklmnop'] } };
    plainFields(fields);
    expect(fields).toEqual({ password: 'a', deep: { list: ['sk-abcdefghijklmnop'] } });
  });
});
