import { describe, expect, test } from 'vitest';
import { createLogger } from '../../src/observability/log.ts';
import { ArgumentChecker, maxArgumentBytes } from '../../src/tools/check-arguments.ts';
import type { ArgumentStrictness } from '../../src/tools/toolbox.ts';
import { makeTool, result } from '../support/tools.ts';

const lines: Record<string, unknown>[] = [];
const checker = new ArgumentChecker(
  createLogger({ service: 't', level: 'DEBUG', sink: (line) => void lines.push(JSON.parse(line)) }),
);
type Schema = Record<string, unknown>;
const check = (schema: Schema, args: unknown, strictness: ArgumentStrictness = 'client') =>
  checker.check(
    makeTool('t', schema, () => result(null)),
    typeof args === 'string' ? args : JSON.stringify(args),
    strictness,
  );
/** What is wrong, as `field: message`; '' when nothing is. */
const mistake = (...given: Parameters<typeof check>): string => {
  const checked = check(...given);
  return checked.kind === 'good' ? '' : `${checked.field}: ${checked.message}`;
};

const book = {
  properties: {
    title: { type: 'string' },
    chapter: { type: 'integer', minimum: 1 },
    tier: { enum: [1, 2, 3] },
    note: { type: ['string', 'null'] },
    source: {
      type: 'object',
      properties: { pages: { type: 'array', items: { type: 'integer' } }, 'a/b~c': { type: 'string' } },
      required: ['pages'],
      additionalProperties: false,
    },
  },
  required: ['title', 'chapter'],
};
const good = { title: 'x', chapter: 1 };

describe('arguments that do not fit are told in the words of the contract', () => {
  test.each<[string, unknown, string]>([
    ['', good, ''],
    ['', { ...good, note: null, tier: 3, source: { pages: [1, 2] } }, ''],
    ['missing', {}, 'title: Missing required argument: title'],
    ['missing, the second', { title: 'x' }, 'chapter: Missing required argument: chapter'],
    ['unknown', { ...good, extra: 1 }, 'extra: Unknown argument: extra'],
    ['a type', { ...good, title: 5 }, "title: Invalid type for 'title': expected string"],
    ['null', { ...good, title: null }, "title: Invalid type for 'title': expected string"],
    ['no coercion', { ...good, chapter: '1' }, "chapter: Invalid type for 'chapter': expected integer"],
    ['a fraction', { ...good, chapter: 1.5 }, "chapter: Invalid type for 'chapter': expected integer"],
    ['no number', { ...good, chapter: true }, "chapter: Invalid type for 'chapter': expected integer"],
    ['two types', { ...good, note: 5 }, "note: Invalid type for 'note': expected string or null"],
    ['a range', { ...good, chapter: 0 }, "chapter: Invalid value for 'chapter': must be >= 1"],
    ['a choice', { ...good, tier: 4 }, "tier: Invalid value for 'tier': must be one of 1, 2, 3"],
    [
      'an inner type',
      { ...good, source: { pages: [1, '2'] } },
      "source.pages[1]: Invalid type for 'source.pages[1]': expected integer",
    ],
    ['an inner lack', { ...good, source: {} }, 'source.pages: Missing required argument: source.pages'],
    ['an inner unknown', { ...good, source: { pages: [], z: 1 } }, 'source.z: Unknown argument: source.z'],
    [
      'odd names',
      { ...good, source: { pages: [], 'a/b~c': 1 } },
      "source.a/b~c: Invalid type for 'source.a/b~c': expected string",
    ],
    ['no JSON', '{"title":', ': The arguments are not valid JSON'],
    ['a list', [], ': The arguments are not a JSON object'],
    ['a text', '"x"', ': The arguments are not a JSON object'],
    ['null', 'null', ': The arguments are not a JSON object'],
  ])('%s: %j', (_what, args, wanted) => {
    expect(mistake(book, args)).toBe(wanted);
  });

  test('a model is told what it gave, and may invent arguments', () => {
    expect(mistake(book, { ...good, title: [] }, 'model')).toBe(
      "title: Invalid type for 'title': expected string, got array",
    );
    expect(mistake(book, { ...good, chapter: null }, 'model')).toContain('expected integer, got null');
    expect(mistake(book, { ...good, chapter: 1.5 }, 'model')).toContain('expected integer, got number');
    expect(mistake(book, { ...good, title: 3 }, 'model')).toContain('expected string, got integer');
    expect(mistake(book, { ...good, extra: 1 }, 'model')).toBe('');
  });

  test('what a closed schema does not know is kept from the tool when a model invents it', () => {
    const closed = { ...book, additionalProperties: false };
    expect(check(closed, { ...good, extra: 1 }, 'model')).toMatchObject({ args: good, exact: good });
    expect(mistake(closed, { ...good, extra: 1 }, 'client')).toBe('extra: Unknown argument: extra');
  });

  test('an open schema takes what it does not name', () => {
    for (const schema of [
      {},
      { properties: {}, additionalProperties: true },
      { properties: {}, additionalProperties: { type: 'integer' } },
      { properties: {}, patternProperties: { '^e': {} } },
      { properties: {}, allOf: [{ properties: { extra: {} } }] },
    ]) {
      expect(mistake(schema, { extra: 1 })).toBe('');
    }
    expect(mistake({ additionalProperties: { type: 'string' } }, { extra: 1 })).toContain("'extra'");
  });

  test('no text is no arguments', () => {
    expect(check({}, '')).toMatchObject({ kind: 'good', args: {} });
  });

  test("an object's own methods are no arguments", () => {
    expect(mistake({ required: ['toString'] }, {})).toContain('Missing required argument: toString');
    expect(mistake({ properties: { a: {} } }, '{"__proto__": 1}')).toContain('Unknown argument: __proto__');
  });
});

describe('numbers', () => {
  test('that a double cannot hold stay exact for those who hand them on', () => {
    const checked = check({ properties: { id: { type: 'integer' } } }, '{"id": 12345678901234567890}');
    if (checked.kind === 'bad') throw new Error(checked.message);
    expect(checked.args['id']).toBe(12345678901234567000);
    expect(JSON.stringify(checked.exact)).toBe('{"id":12345678901234567890}');
  });
});

describe('bounds', () => {
  test('of the size', () => {
    const text = (length: number) => `{"a":"${'x'.repeat(length - 8)}"}`;
    expect(mistake({}, text(maxArgumentBytes))).toBe('');
    expect(mistake({}, text(maxArgumentBytes + 1))).toContain('larger than 1048576 bytes');
  });

  test('of the depth', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(mistake({}, nested(63))).toBe('');
    expect(mistake({}, nested(64))).toContain('nested deeper than 64');
    expect(mistake({}, nested(400_000))).toContain('nested deeper than 64');
  });

  const bomb = { $defs: { a25: { type: 'object' } } as Record<string, unknown>, $ref: '#/$defs/a0' };
  for (let i = 0; i < 25; i++) bomb.$defs[`a${i}`] = { allOf: Array(2).fill({ $ref: `#/$defs/a${i + 1}` }) };
  const loop = { $ref: '#' };
  test.each<[string, Schema, unknown]>([
    [
      'a pattern that backtracks',
      { properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
      { a: `${'a'.repeat(60)}b` },
    ],
    ['references that multiply', bomb, {}],
    ['a reference to itself', loop, {}],
    [
      'items compared in pairs',
      { properties: { a: { type: 'array', uniqueItems: true } } },
      { a: Array.from({ length: 40_000 }, (_, i) => ({ i })) },
    ],
  ])('of the time: %s', (_what, schema, args) => {
    const began = performance.now();
    expect(mistake(schema, args)).toBe(': The arguments cannot be checked against the schema in time');
    expect(performance.now() - began).toBeLessThan(2_000);
    // Nothing is left behind.
    expect(mistake({ properties: { a: { pattern: '^b' } } }, { a: 'b' })).toBe('');
  });
});

describe('a schema that the gateway cannot use', () => {
  test('is not checked against, which the log says once', () => {
    lines.length = 0;
    const schema = { properties: { a: { $ref: 'https://example.com/other.json' } } };
    expect(mistake(schema, { a: 1 })).toBe('');
    expect(mistake(schema, { a: 2 })).toBe('');
    expect(lines.map(({ level, message, tool }) => [level, message, tool])).toEqual([
      ['WARN', 'arguments of a tool are not checked', 't'],
    ]);
    expect(mistake(schema, [])).toContain('not a JSON object');
  });

  test('does not get into the way of another of the same id', () => {
    const schema = (type: string) => ({ $id: 'https://example.com/x', properties: { a: { type } } });
    expect(mistake(schema('string'), { a: 'x' })).toBe('');
    expect(mistake(schema('integer'), { a: 'x' })).toContain('expected integer');
    expect(mistake(schema('string'), { a: 1 })).toContain('expected string');
  });
});
