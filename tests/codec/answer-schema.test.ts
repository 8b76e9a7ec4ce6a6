import { describe, expect, test } from 'vitest';
import { describedSchema } from '../../src/codec/answer-schema.ts';
import { EncodeWarnings } from '../../src/codec/encode-warnings.ts';
import * as build from '../../src/model/build.ts';

function described(schemaJson: string, description: string) {
  const warnings = new EncodeWarnings('test');
  const text = describedSchema(build.jsonSchemaFormat('name', { schemaJson, description }), warnings);
  return [text, warnings.warnings.map(({ code }) => code)];
}

describe('what an answer is for', () => {
  test('is said in its schema, which else stays byte for byte', () => {
    expect(described(' { "type":"object",  "a": 1.0 }', 'A "b"')).toEqual([
      '{"description":"A \\"b\\"","type":"object",  "a": 1.0}',
      [],
    ]);
    expect(described('{ }', 'A')).toEqual(['{"description":"A"}', []]);
    expect(described(' {"a": 1.0}', '')).toEqual([' {"a": 1.0}', []]);
  });

  test('is there already, or reported as lost', () => {
    const own = '{"description": "own"}';
    expect(described(own, 'own')).toEqual([own, []]);
    expect(described(own, 'other')).toEqual([own, ['dropped_description']]);
  });
});
