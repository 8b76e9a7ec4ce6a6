import { Ajv, type ErrorObject, type Options } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isObject, type Json } from '../codec/json.ts';
import { TooSlowError, withinTime } from './watchdog.ts';

// Schemas of tools are strangers' texts: of users who register them, of MCP servers. They are bounded in size, depth and time, refer to
// nothing outside themselves, and change no arguments: no coercion, no defaults.

/** Bounds of a schema; `nodes` are its objects and arrays. */
export const schemaBounds = { bytes: 64 * 2 ** 10, depth: 32, nodes: 1_000 } as const;
/** Longest compilation and longest check that is watched, in milliseconds. */
const compileMs = 1_000;
const checkMs = 100;
/** Checks of longer arguments are watched whatever the schema. */
const watchedBytes = 64 * 2 ** 10;

/** Why a text is no schema that the gateway can use. Fit for the client: goes on "the schema …". */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** A schema, ready to check arguments. */
export interface CompiledSchema {
  readonly schema: Json;
  /**
   * The first thing that is wrong; null when nothing is.
   * @param bytes size of the arguments
   * @throws TooSlowError when that cannot be found out in time
   */
  check(args: Json, bytes: number): ErrorObject | null;
}

/** Keywords whose time grows faster than the arguments: patterns backtrack, references repeat, unique items are compared in pairs. */
const dearKeys: ReadonlySet<string> = new Set([
  '$ref',
  '$dynamicRef',
  '$recursiveRef',
  'pattern',
  'patternProperties',
  'uniqueItems',
]);

const drafts = {
  'https://json-schema.org/draft/2020-12/schema': Ajv2020,
  'https://json-schema.org/draft/2019-09/schema': Ajv2019,
  'http://json-schema.org/draft-07/schema': Ajv,
  'http://json-schema.org/draft-06/schema': Ajv,
} as const;
type Draft = (typeof drafts)[keyof typeof drafts];

const options: Options = {
  // Unknown keywords and formats are annotations, as the specification has it.
  strict: false,
  validateFormats: false,
  // `toString` is no argument because every object has one.
  ownProperties: true,
  // Code for a reference is made once, however often it is referred to.
  inlineRefs: false,
  // 19.99 / 0.01 is not whole in doubles. Six digits of the quotient keep cents right up to 10^8, and tell 1.00001 from a whole number.
  multipleOfPrecision: 6,
  logger: false,
};

/**
 * Compiles the schema of a tool's arguments.
 * @throws SchemaError when it is none, or goes beyond the bounds
 */
export function compileSchema(text: string): CompiledSchema {
  if (Buffer.byteLength(text) > schemaBounds.bytes)
    throw new SchemaError(`is larger than ${schemaBounds.bytes} bytes`);
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch {
    throw new SchemaError('is not JSON');
  }
  if (!isObject(schema)) throw new SchemaError('is not a JSON object');
  if (schema['type'] !== 'object') throw new SchemaError('has to have "type": "object"');
  const dear = inspect(schema);
  const draft = draftOf(schema['$schema']);
  const validate = compile(schema, draft);
  const first = (args: Json): ErrorObject | null => {
    try {
      return validate(args) ? null : (validate.errors?.at(-1) ?? null);
    } catch (error) {
      // A schema that refers to itself without end, or arguments nested too deeply for it.
      if (error instanceof RangeError) throw new TooSlowError('is nested too deeply');
      throw error;
    }
  };
  return {
    schema,
    check: (args, bytes) =>
      dear || bytes > watchedBytes ? withinTime(checkMs, () => first(args)) : first(args),
  };
}

function draftOf(given: unknown): Draft {
  if (given === undefined) return Ajv2020;
  const uri = typeof given === 'string' ? given.replace(/#$/, '') : '';
  if (!Object.hasOwn(drafts, uri))
    throw new SchemaError(`has an unknown $schema; known are ${Object.keys(drafts).join(', ')}`);
  return drafts[uri as keyof typeof drafts];
}

/** Looks at every part of a schema. @returns whether checks have to be watched */
function inspect(schema: Json): boolean {
  let nodes = 0;
  let dear = false;
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null) return;
    if (depth > schemaBounds.depth) throw new SchemaError(`is nested deeper than ${schemaBounds.depth}`);
    if (++nodes > schemaBounds.nodes)
      throw new SchemaError(`has more than ${schemaBounds.nodes} objects and arrays`);
    for (const [key, item] of Object.entries(value)) {
      if (dearKeys.has(key)) dear = true;
      // The compiler skips a property of this name.
      if (key === '__proto__')
        throw new SchemaError('has the key __proto__, which the gateway does not check');
      if (key === '$async' && item === true) throw new SchemaError('has the unknown keyword $async');
      if (key === '$id' && typeof item === 'string' && depth > 0)
        throw new SchemaError('has an $id below its root, which the gateway does not resolve');
      if (key === '$ref' && typeof item === 'string' && !item.startsWith('#'))
        throw new SchemaError('refers to another document; references have to begin with "#"');
      visit(item, depth + 1);
    }
  };
  visit(schema, 0);
  return dear;
}

/** They check schemas against the drafts' own; they learn nothing of those. */
const judges = new Map<Draft, Ajv>();

function compile(schema: Json, draft: Draft) {
  // Both would be looked up among other schemas.
  const { $schema: _draft, $id: _id, ...own } = schema;
  const anchored = draft === Ajv2020 || draft === Ajv2019 ? withRootAnchors(own) : own;
  try {
    return withinTime(compileMs, () => {
      let judge = judges.get(draft);
      if (judge === undefined) {
        judge = new draft({ ...options, code: { regExp } });
        judges.set(draft, judge);
      }
      if (judge.validateSchema(own) !== true) {
        const [error] = judge.errors ?? [];
        throw new SchemaError(
          `is wrong at ${error?.instancePath || 'its root'}: ${error?.message ?? 'it is not valid'}`,
        );
      }
      // An instance of its own: what one schema names must not be there for another.
      return new draft({ ...options, meta: false, validateSchema: false, code: { regExp } }).compile(
        anchored,
      );
    });
  } catch (error) {
    if (error instanceof SchemaError) throw error;
    if (error instanceof TooSlowError) {
      judges.delete(draft);
      throw new SchemaError(`cannot be compiled in ${compileMs} ms`);
    }
    // Messages of the compiler quote the schema.
    throw new SchemaError(`cannot be compiled: ${(error as Error).message.slice(0, 300)}`);
  }
}

/** The compiler does not find the anchors of the root. Definitions that refer to the root stand in for them. */
function withRootAnchors(schema: Json): Json {
  const { $anchor, $dynamicAnchor, $defs } = schema;
  const anchors = new Set([$anchor, $dynamicAnchor].filter((name) => typeof name === 'string'));
  if (anchors.size === 0) return schema;
  const definitions: Json = isObject($defs) ? { ...$defs } : {};
  for (const name of anchors) {
    let key = `root ${name}`;
    while (Object.hasOwn(definitions, key)) key += ' ';
    definitions[key] = { $anchor: name, $ref: '#' };
  }
  return { ...schema, $defs: definitions };
}

/** Patterns are meant to be of Unicode; many are written without a thought of it. */
function regExp(pattern: string, flags: string): RegExp {
  try {
    return new RegExp(pattern, flags);
  } catch {
    return new RegExp(pattern);
  }
}
regExp.code = 'new RegExp';
