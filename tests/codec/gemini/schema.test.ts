import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeParametersSchema, encodeResponseSchema } from '../../../src/codec/gemini/encode-schema.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';

/** What becomes of a property of this schema: the key of the declaration, and the property. */
function property(schema: unknown, root: Record<string, unknown> = {}): [string, unknown] {
  const text = encodeParametersSchema(
    JSON.stringify({ type: 'object', properties: { p: schema }, ...root }),
    'tools[0]',
  );
  const json = JSON.parse(`{${text}}`) as Record<string, { properties: { p: unknown } }>;
  const [key] = Object.keys(json) as [string];
  return [key, json[key]?.properties.p];
}

const text = (members: object = {}) => ({ type: 'string', ...members });
const TEXT = (members: object = {}) => ({ type: 'STRING', ...members });

describe('the subset of `parameters`, row by row', () => {
  test.each<[string, unknown, unknown]>([
    ['types in upper case', text(), TEXT()],
    ['types in upper case already', { type: 'STRING' }, TEXT()],
    ['integers', { type: 'integer', minimum: 1, maximum: 2 }, { type: 'INTEGER', minimum: 1, maximum: 2 }],
    ['booleans', { type: 'boolean', default: true }, { type: 'BOOLEAN', default: true }],
    ['title and description', text({ title: 't', description: 'd' }), TEXT({ title: 't', description: 'd' })],
    [
      'lengths and patterns',
      text({ minLength: 1, maxLength: 2, pattern: 'a+' }),
      TEXT({ minLength: 1, maxLength: 2, pattern: 'a+' }),
    ],
    [
      'arrays',
      { type: 'array', items: text(), minItems: 1, maxItems: 3 },
      { type: 'ARRAY', items: TEXT(), minItems: 1, maxItems: 3 },
    ],
    [
      'objects',
      { type: 'object', properties: { a: text() }, required: ['a'] },
      { type: 'OBJECT', properties: { a: TEXT() }, required: ['a'] },
    ],
    ['objects of any form', { type: 'object' }, { type: 'OBJECT' }],
    ['$schema, $id and $comment say nothing', text({ $schema: 's', $id: 'i', $comment: 'c' }), TEXT()],
    ['a type and null', text({ type: ['string', 'null'] }), TEXT({ nullable: true })],
    [
      'several types',
      { type: ['string', 'integer'], description: 'd' },
      { anyOf: [TEXT({ description: 'd' }), { type: 'INTEGER', description: 'd' }] },
    ],
    [
      'several types and null',
      { type: ['string', 'integer', 'null'] },
      { anyOf: [TEXT({ nullable: true }), { type: 'INTEGER', nullable: true }] },
    ],
    [
      'keywords of another type are left out',
      { type: ['string', 'integer'], minLength: 1, minimum: 2 },
      { anyOf: [TEXT({ minLength: 1 }), { type: 'INTEGER', minimum: 2 }] },
    ],
    ['nullable stays', text({ nullable: true }), TEXT({ nullable: true })],
    ['an enumeration', text({ enum: ['a', 'b'] }), TEXT({ enum: ['a', 'b'] })],
    ['an enumeration without a type', { enum: ['a'] }, TEXT({ enum: ['a'] })],
    ['an enumeration with null', { enum: ['a', null] }, TEXT({ enum: ['a'], nullable: true })],
    [
      'an enumeration with an empty text',
      text({ enum: ['', 'a'] }),
      TEXT({ enum: ['a'], description: '(may be "")' }),
    ],
    ['a constant text', { const: 'a' }, TEXT({ enum: ['a'] })],
    [
      'a constant boolean',
      { type: 'boolean', const: true },
      { type: 'BOOLEAN', description: '(const: true)' },
    ],
    ['both booleans', { type: 'boolean', enum: [true, false] }, { type: 'BOOLEAN' }],
    ['a format that is known', text({ format: 'date-time' }), TEXT({ format: 'date-time' })],
    [
      'a format that is not',
      text({ format: 'email', description: 'Yours' }),
      TEXT({ description: 'Yours (format: "email")' }),
    ],
    ['formats of numbers', { type: 'integer', format: 'int64' }, { type: 'INTEGER', format: 'int64' }],
    [
      'an exclusive bound of integers',
      { type: 'integer', exclusiveMinimum: 0 },
      { type: 'INTEGER', minimum: 1 },
    ],
    [
      'an exclusive upper bound of integers',
      { type: 'integer', exclusiveMaximum: 10, maximum: 20 },
      { type: 'INTEGER', maximum: 9 },
    ],
    [
      'an exclusive bound of numbers',
      { type: 'number', exclusiveMinimum: 0 },
      { type: 'NUMBER', minimum: 0, description: '(exclusiveMinimum: 0)' },
    ],
    [
      'what has no keyword is said in words',
      { type: 'array', items: text(), uniqueItems: true },
      { type: 'ARRAY', items: TEXT(), description: '(uniqueItems: true)' },
    ],
    ['multipleOf', { type: 'integer', multipleOf: 5 }, { type: 'INTEGER', description: '(multipleOf: 5)' }],
    ['not', text({ not: { enum: ['x'] } }), TEXT({ description: '(not: {"enum":["x"]})' })],
    ['keywords of extensions say nothing', text({ 'x-order': 1 }), TEXT()],
    [
      'closed objects',
      { type: 'object', properties: { a: text() }, additionalProperties: false },
      { type: 'OBJECT', properties: { a: TEXT() } },
    ],
    [
      'open objects with properties',
      { type: 'object', properties: { a: text() }, additionalProperties: true },
      { type: 'OBJECT', properties: { a: TEXT() } },
    ],
    [
      'required names of no property',
      { type: 'object', properties: { a: text() }, required: ['a', 'b'] },
      { type: 'OBJECT', properties: { a: TEXT() }, required: ['a'] },
    ],
    [
      'a property that cannot be',
      { type: 'object', properties: { a: text(), b: false } },
      { type: 'OBJECT', properties: { a: TEXT() } },
    ],
    [
      'objects by their properties',
      { properties: { a: text() } },
      { type: 'OBJECT', properties: { a: TEXT() } },
    ],
    ['anyOf', { anyOf: [text(), { type: 'integer' }] }, { anyOf: [TEXT(), { type: 'INTEGER' }] }],
    ['oneOf', { oneOf: [text(), { type: 'integer' }] }, { anyOf: [TEXT(), { type: 'INTEGER' }] }],
    [
      'anyOf stands alone',
      { description: 'd', title: 't', default: 1, anyOf: [text(), { type: 'integer', description: 'own' }] },
      { anyOf: [TEXT({ description: 'd' }), { type: 'INTEGER', description: 'own' }] },
    ],
    [
      'anyOf of one and null',
      { anyOf: [text({ minLength: 1 }), { type: 'null' }], description: 'd', default: null },
      TEXT({ default: null, minLength: 1, description: 'd', nullable: true }),
    ],
    [
      'anyOf of several and null',
      { anyOf: [text(), { type: 'integer' }, { type: 'null' }] },
      { anyOf: [TEXT({ nullable: true }), { type: 'INTEGER', nullable: true }] },
    ],
    [
      'anyOf of required names',
      { type: 'object', properties: { a: text() }, anyOf: [{ required: ['a'] }, {}] },
      {
        anyOf: [
          { required: ['a'], type: 'OBJECT', properties: { a: TEXT() } },
          { type: 'OBJECT', properties: { a: TEXT() } },
        ],
      },
    ],
    [
      'anyOf of texts is an enumeration',
      { anyOf: [{ const: 'a' }, { const: 'b' }, { type: 'null' }] },
      TEXT({ enum: ['a', 'b'], nullable: true }),
    ],
    [
      'anyOf within anyOf',
      { anyOf: [{ anyOf: [text(), { type: 'number' }] }, { type: 'boolean' }] },
      { anyOf: [TEXT(), { type: 'NUMBER' }, { type: 'BOOLEAN' }] },
    ],
    [
      'allOf',
      {
        allOf: [
          { type: 'object', properties: { a: text() }, required: ['a'] },
          { properties: { b: text() }, required: ['b'] },
        ],
      },
      { type: 'OBJECT', properties: { a: TEXT(), b: TEXT() }, required: ['a', 'b'] },
    ],
    [
      'allOf that disagrees',
      { allOf: [text({ minLength: 1 }), { minLength: 2 }] },
      TEXT({ minLength: 1, description: '(minLength: 2)' }),
    ],
  ])('%s', (_row, schema, expected) => {
    expect(property(schema)).toEqual(['parameters', expected]);
  });

  const $defs = { A: text({ description: 'of A' }), B: { $ref: '#/$defs/A' }, 'a/b~c d': text() };

  test.each<[string, unknown, unknown]>([
    ['a reference', { $ref: '#/$defs/A' }, TEXT({ description: 'of A' })],
    ['a reference of a reference', { $ref: '#/$defs/B' }, TEXT({ description: 'of A' })],
    ['what stands beside it', { $ref: '#/$defs/A', description: 'own' }, TEXT({ description: 'own' })],
    ['an escaped name', { $ref: '#/$defs/a~1b~0c%20d' }, TEXT()],
    [
      'in anyOf',
      { anyOf: [{ $ref: '#/$defs/A' }, { type: 'null' }] },
      TEXT({ description: 'of A', nullable: true }),
    ],
    ['in allOf', { allOf: [{ $ref: '#/$defs/A' }], description: 'own' }, TEXT({ description: 'own' })],
    [
      'twice',
      { type: 'array', items: { $ref: '#/$defs/A' } },
      { type: 'ARRAY', items: TEXT({ description: 'of A' }) },
    ],
  ])('%s is put in place', (_row, schema, expected) => {
    expect(property(schema, { $defs })).toEqual(['parameters', expected]);
  });
});

describe('no arguments are no schema', () => {
  test.each([
    '',
    '{}',
    '{"type":"object"}',
    '{"type":"object","properties":{}}',
    '{"properties":{},"additionalProperties":false,"required":[],"$schema":"x"}',
    '{"type":"object","properties":{},"title":"None"}',
  ])('%s', (schema) => expect(encodeParametersSchema(schema, 'f')).toBe(''));
});

describe('what the subset cannot say goes as full JSON Schema', () => {
  test.each<[string, unknown, unknown]>([
    [
      'a map',
      { type: 'object', additionalProperties: text() },
      { type: 'object', additionalProperties: text() },
    ],
    [
      'any object',
      { type: 'object', additionalProperties: true },
      { type: 'object', additionalProperties: true },
    ],
    ['numbers as enumeration', { type: 'integer', enum: [1, 2] }, { type: 'integer', enum: [1, 2] }],
    ['a constant number', { const: 5 }, { enum: [5], type: 'number' }],
    ['any value', {}, {}],
    [
      'booleans as enumeration beside what only this form can say',
      { type: 'array', prefixItems: [{ enum: [true, false] }, { enum: [true] }, { const: false }] },
      {
        type: 'array',
        prefixItems: [
          { type: 'boolean' },
          { type: 'boolean', description: '(const: true)' },
          { type: 'boolean', description: '(const: false)' },
        ],
      },
    ],
    [
      'booleans and null as enumeration',
      { type: 'array', prefixItems: [{ enum: [true, false, null] }, { enum: [true, null] }] },
      {
        type: 'array',
        prefixItems: [
          { type: ['boolean', 'null'] },
          { type: ['boolean', 'null'], description: '(enum: [true,null])' },
        ],
      },
    ],
    [
      'booleans among others as enumeration',
      { type: 'array', prefixItems: [{ enum: [true, 'a'] }] },
      { type: 'array', prefixItems: [{ description: '(enum: [true,"a"])' }] },
    ],
    ['an array of anything', { type: 'array' }, { type: 'array' }],
    ['a tuple', { type: 'array', prefixItems: [text()] }, { type: 'array', prefixItems: [text()] }],
    [
      'a tuple in its older form',
      { type: 'array', items: [text()] },
      { type: 'array', prefixItems: [text()] },
    ],
    ['only null', { type: 'null' }, { type: 'null' }],
    ['nullable', { type: 'integer', enum: [1], nullable: true }, { type: ['integer', 'null'], enum: [1] }],
    ['a reference that leads nowhere', { $ref: '#/$defs/None' }, { description: '($ref: "#/$defs/None")' }],
    [
      'a reference to elsewhere',
      { $ref: 'https://example.com/x' },
      { description: '($ref: "https://example.com/x")' },
    ],
  ])('%s', (_row, schema, expected) => {
    expect(property(schema)).toEqual(['parametersJsonSchema', expected]);
  });

  test('recursion keeps its references', () => {
    const definitions = {
      Node: { type: 'object', properties: { next: { $ref: '#/definitions/Node' }, kind: { const: 'n' } } },
    };
    const schema = {
      type: 'object',
      properties: { p: { $ref: '#/definitions/Node', description: 'd' } },
      definitions,
    };
    expect(JSON.parse(`{${encodeParametersSchema(JSON.stringify(schema), 'f')}}`)).toEqual({
      parametersJsonSchema: {
        type: 'object',
        properties: { p: { description: 'd', anyOf: [{ $ref: '#/$defs/Node' }] } },
        $defs: {
          Node: {
            type: 'object',
            properties: { next: { $ref: '#/$defs/Node' }, kind: { enum: ['n'], type: 'string' } },
          },
        },
      },
    });
  });

  test('references that unfold without end stay references', () => {
    const $defs: Record<string, unknown> = { d0: text() };
    for (let i = 1; i < 30; i++) {
      $defs[`d${i}`] = {
        type: 'object',
        properties: { a: { $ref: `#/$defs/d${i - 1}` }, b: { $ref: `#/$defs/d${i - 1}` } },
      };
    }
    const [key] = property({ $ref: '#/$defs/d29' }, { $defs });
    expect(key).toBe('parametersJsonSchema');
  });

  test('a root that is a choice', () => {
    const schema = {
      anyOf: [
        { type: 'object', properties: { a: text() } },
        { type: 'object', properties: { b: text() } },
      ],
    };
    expect(JSON.parse(`{${encodeParametersSchema(JSON.stringify(schema), 'f')}}`)).toEqual({
      parametersJsonSchema: schema,
    });
  });
});

describe('the schema of an answer', () => {
  const response = (schema: unknown) =>
    JSON.parse(encodeResponseSchema(JSON.stringify(schema), 'response_format'));

  test('keeps its bytes where Gemini knows all of it', () => {
    const schema =
      '{ "type":"object", "properties":{"b":{"type":["string","null"]},"a":{"$ref":"#/$defs/A"}},"required":["b"],"additionalProperties":false,"$defs":{"A":{"type":"integer","minimum":0}} }';
    expect(encodeResponseSchema(schema, 'f')).toBe(schema);
  });

  test.each<[string, unknown, unknown]>([
    ['oneOf', { oneOf: [text(), { type: 'null' }] }, { anyOf: [text(), { type: 'null' }] }],
    ['const', { const: 'a' }, { enum: ['a'], type: 'string' }],
    [
      'an enumeration with null',
      { type: 'string', enum: ['a', null] },
      { anyOf: [{ type: 'string', enum: ['a'] }, { type: 'null' }] },
    ],
    ['an exclusive bound', { type: 'integer', exclusiveMinimum: 3 }, { type: 'integer', minimum: 4 }],
    ['booleans as enumeration', { enum: [true, false] }, { type: 'boolean' }],
    ['$schema', { $schema: 's', type: 'string' }, text()],
    ['pattern', text({ pattern: 'a+' }), text({ description: '(pattern: "a+")' })],
    [
      'allOf',
      { allOf: [{ type: 'object', properties: { a: text() } }, { properties: { b: text() } }] },
      { type: 'object', properties: { a: text(), b: text() } },
    ],
    [
      'allOf of one reference',
      { allOf: [{ $ref: '#/$defs/A' }], $defs: { A: text() } },
      { $defs: { A: text() }, $ref: '#/$defs/A' },
    ],
    ['a mixed enumeration', { enum: [true, 'a'] }, { description: '(enum: [true,"a"])' }],
  ])('%s', (_row, schema, expected) => expect(response(schema)).toEqual(expected));

  test.each(['[]', '1', 'null', '{', ''])('refuses %s, which is no schema', (schema) => {
    expect(() => encodeResponseSchema(schema, 'response_format')).toThrow(
      /^\[invalid_argument\] Invalid 'response_format'/,
    );
  });

  test('refuses one that is nested too deeply', () => {
    const deep = `${'{"items":'.repeat(5_000)}{}${'}'.repeat(5_000)}`;
    expect(() => encodeResponseSchema(deep, 'f')).toThrow(GatewayError);
    expect(() => encodeParametersSchema(deep, 'f')).toThrow(GatewayError);
  });
});

describe('any schema', () => {
  const words = [
    'type',
    'properties',
    'items',
    'anyOf',
    'oneOf',
    'allOf',
    '$ref',
    '$defs',
    'enum',
    'const',
    'required',
    'nullable',
    'additionalProperties',
    'format',
    'exclusiveMinimum',
    'prefixItems',
    'description',
    '__proto__',
    'constructor',
  ];
  const values = fc.oneof(
    fc.constantFrom(
      'object',
      'string',
      'array',
      'null',
      '#',
      '#/$defs/a',
      '#/properties/a',
      1,
      true,
      false,
      null,
    ),
    fc.constantFrom(...words),
  );
  const { schema } = fc.letrec((tie) => ({
    schema: fc.oneof(
      { maxDepth: 5 },
      values,
      fc.array(tie('schema'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...words, 'a'), tie('schema'), { maxKeys: 5 }),
    ),
  }));

  test('is translated or refused, always alike', () => {
    fc.assert(
      fc.property(schema, (json) => {
        const given = JSON.stringify(json);
        for (const encode of [
          (t: string) => encodeParametersSchema(t, 'f'),
          (t: string) => encodeResponseSchema(t, 'f'),
        ]) {
          let first: string;
          try {
            first = encode(given);
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
            continue;
          }
          expect(encode(given)).toBe(first);
          if (first !== '') JSON.parse(first.startsWith('{') ? first : `{${first}}`);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});
