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
    ['depth', { items: nested(40) }, /^is nested deeper than 32$/],
    ['size', { enum: Array.from({ length: 1_000 }, () => []) }, /^has more than 1000 objects and arrays$/],
  ])('is refused for %s', (_what, more, why) => {
    expect(object(more)).toMatch(why);
  });
});
