import { describe, expect, test } from 'vitest';
import { compileSchema, SchemaError } from '../../src/tools/schema.ts';

const mistake = (text: string): string => {
  try {
    compileSchema(text);
    return '';
  } catch (error) {
    if (error instanceof SchemaError) return error.message;
    throw error;
  }
};
const json = (schema: unknown): string => mistake(JSON.stringify(schema));
const object = (more: Record<string, unknown>): string => json({ type: 'object', ...more });
const nested = (depth: number): unknown => (depth === 0 ? {} : { items: nested(depth - 1) });

describe('a schema', () => {
  test.each([
    { type: 'object' },
    { type: 'object', $schema: 'https://json-schema.org/draft/2020-12/schema', properties: {} },
    { type: 'object', $schema: 'https://json-schema.org/draft/2019-09/schema#', properties: {} },
    {
      type: 'object',
      $schema: 'http://json-schema.org/draft-07/schema#',
      properties: { a: { items: [{ type: 'string' }, {}] } },
      definitions: { b: {} },
    },
    { type: 'object', properties: { a: { type: 'string', format: 'email', 'x-mine': [1] } } },
    { type: 'object', properties: { a: { pattern: '^[\\w\\-.]+$' } } },
    { type: 'object', $defs: { n: { properties: { next: { $ref: '#/$defs/n' } } } }, $ref: '#/$defs/n' },
    { type: 'object', $id: 'https://example.com/a', properties: {} },
  ])('is taken: %j', (schema) => {
    expect(json(schema)).toBe('');
  });

  test.each<[string, string, RegExp]>([
    ['no JSON', '{', /^is not JSON$/],
    ['a list', '[]', /^is not a JSON object$/],
    ['true', 'true', /^is not a JSON object$/],
    ['another type', '{"type":"string"}', /^has to have "type": "object"$/],
    ['no type', '{}', /^has to have "type": "object"$/],
    ['too long', JSON.stringify({ type: 'object', title: 'x'.repeat(65_536) }), /larger than 65536 bytes/],
  ])('is refused: %s', (_what, text, why) => {
    expect(mistake(text)).toMatch(why);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['a wrong type', { properties: { a: { type: 'strin' } } }, /^is wrong at \/properties\/a\/type: /],
    ['properties that are none', { properties: 5 }, /^is wrong at \/properties: must be object$/],
    [
      'a pattern that is none',
      { properties: { a: { pattern: '(' } } },
      /^cannot be compiled: .*Unterminated/,
    ],
    ['another document', { properties: { a: { $ref: 'http://x/y' } } }, /^refers to another document/],
    ['a file', { properties: { a: { $ref: 'file:///etc/passwd' } } }, /^refers to another document/],
    ['nothing', { properties: { a: { $ref: '#/$defs/none' } } }, /^cannot be compiled: can't resolve/],
    ['an unknown draft', { $schema: 'https://example.com/schema' }, /^has an unknown \$schema/],
    ['$async', { $async: true }, /\$async/],
    ['inner ids', { properties: { a: { $id: 'https://example.com/b' } } }, /\$id below its root/],
    ['a key that the compiler skips', JSON.parse('{"properties":{"__proto__":{}}}'), /the key __proto__/],
    ['depth', { items: nested(40) }, /^is nested deeper than 32$/],
    ['size', { enum: Array.from({ length: 1_000 }, () => []) }, /^has more than 1000 objects and arrays$/],
  ])('is refused for %s', (_what, more, why) => {
    expect(object(more)).toMatch(why);
  });
});

describe('a check', () => {
  const fits = (schema: Record<string, unknown>, args: Record<string, unknown>): boolean =>
    compileSchema(JSON.stringify({ type: 'object', ...schema })).check(args, 100) === null;

  test.each([
    [0.01, 19.99, true],
    [0.01, 4_503_599.37, true],
    [0.1, 0.3, true],
    [1, 1e21, true],
    [0.01, 19.995, false],
    [1, 1.00001, false],
    [3, 10, false],
  ])('of multipleOf %d takes %d: %s', (multipleOf, a, whole) => {
    expect(fits({ properties: { a: { multipleOf } } }, { a })).toBe(whole);
  });

  test.each(['$anchor', '$dynamicAnchor'])('finds the %s of the root', (key) => {
    const schema = {
      [key]: 'x',
      properties: { a: { $ref: '#x' }, n: { type: 'number' } },
      $defs: { 'root x': { type: 'string' } },
      unevaluatedProperties: false,
    };
    expect(fits(schema, { a: { a: { n: 1 } }, n: 1 })).toBe(true);
    expect(fits(schema, { a: { a: { n: '1' } } })).toBe(false);
    expect(fits(schema, { a: { b: 1 } })).toBe(false);
  });

  test('follows $dynamicRef to the root', () => {
    const schema = { $dynamicAnchor: 'x', properties: { a: { $dynamicRef: '#x' }, n: { type: 'number' } } };
    expect(fits(schema, { a: { n: 1 } })).toBe(true);
    expect(fits(schema, { a: { n: '1' } })).toBe(false);
  });
});
