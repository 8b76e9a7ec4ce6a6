import { LRUCache } from 'lru-cache';
import { isObject, type Json, parseJson } from '../codec/json.ts';
import type { Logger } from '../observability/log.ts';
import { describeMismatch, type Mismatch, missing, unknown } from './describe-mismatch.ts';
import { type CompiledSchema, compileSchema, SchemaError } from './schema.ts';
import type { ToolDefinition } from './tool.ts';
import type { ArgumentStrictness } from './toolbox.ts';
import { TooSlowError } from './watchdog.ts';

/** Largest arguments, in bytes of their JSON text. */
export const maxArgumentBytes = 2 ** 20;
/** Deepest nesting of arguments. */
export const maxArgumentDepth = 64;

/** Arguments that a tool takes, or what is wrong with them. */
export type CheckedArguments =
  | {
      readonly kind: 'good';
      /** As JSON.parse gives them. */
      readonly args: Json;
      /** The same, with numbers that a double cannot hold as their text. */
      readonly exact: Json;
    }
  | ({ readonly kind: 'bad' } & Mismatch);

/** Compiled schemas that are kept: how many, and the size of all of their texts. */
const kept = { max: 1_000, maxSize: 16 * 2 ** 20 };

/** Checks arguments against the schemas of tools. */
export class ArgumentChecker {
  readonly #log: Logger;
  /** By schema text. Null for a text that is no schema which the gateway can use. */
  readonly #compiled = new LRUCache<string, { readonly schema: CompiledSchema | null }>({
    ...kept,
    sizeCalculation: (_value, text) => text.length + 1,
    maxEntrySize: kept.maxSize,
  });

  constructor(log: Logger) {
    this.#log = log;
  }

  check(tool: ToolDefinition, argumentsJson: string, strictness: ArgumentStrictness): CheckedArguments {
    const parsed = parse(argumentsJson === '' ? '{}' : argumentsJson);
    if (parsed.kind === 'bad') return parsed;
    const compiled = this.#schemaOf(tool);
    if (compiled === null) return parsed;
    const { schema } = compiled;
    const args = withoutUnknown(parsed.args, schema, strictness);
    const exact = withoutUnknown(parsed.exact, schema, strictness);
    const mismatch =
      missingIn(args, schema) ??
      unknownIn(args, schema, strictness) ??
      check(compiled, args, argumentsJson.length, strictness);
    return mismatch === null ? { kind: 'good', args, exact } : { kind: 'bad', ...mismatch };
  }

  /** Null where the schema cannot be used: then the tool's own server checks. Registered tools never come here with such a one. */
  #schemaOf({ name, parametersJson }: ToolDefinition): CompiledSchema | null {
    const known = this.#compiled.get(parametersJson);
    if (known !== undefined) return known.schema;
    let schema: CompiledSchema | null = null;
    try {
      schema = compileSchema(parametersJson);
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      this.#log.warn('arguments of a tool are not checked', {
        tool: name,
        error: `its schema ${error.message}`,
      });
    }
    this.#compiled.set(parametersJson, { schema });
    return schema;
  }
}

const bad = (message: string): CheckedArguments => ({ kind: 'bad', message, field: '' });

function parse(text: string): CheckedArguments {
  if (Buffer.byteLength(text) > maxArgumentBytes)
    return bad(`The arguments are larger than ${maxArgumentBytes} bytes`);
  let args: unknown;
  let exact: unknown;
  try {
    args = JSON.parse(text);
    exact = parseJson(text);
  } catch {
    return bad('The arguments are not valid JSON');
  }
  if (!isObject(args) || !isObject(exact)) return bad('The arguments are not a JSON object');
  if (!isShallow(args, maxArgumentDepth))
    return bad(`The arguments are nested deeper than ${maxArgumentDepth}`);
  return { kind: 'good', args, exact };
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((item) => isShallow(item, depth - 1));
}

function check(
  compiled: CompiledSchema,
  args: Json,
  bytes: number,
  strictness: ArgumentStrictness,
): Mismatch | null {
  try {
    const error = compiled.check(args, bytes);
    return error === null ? null : describeMismatch(error, args, strictness);
  } catch (error) {
    if (!(error instanceof TooSlowError)) throw error;
    return { message: 'The arguments cannot be checked against the schema in time', field: '' };
  }
}

/** Told before anything else is, in the schema's order. */
function missingIn(args: Json, { required }: Json): Mismatch | null {
  const names = Array.isArray(required) ? required : [];
  const name = names.find((one) => !Object.hasOwn(args, String(one)));
  return name === undefined ? null : missing(String(name).slice(0, 200));
}

/** Where these stand at a schema's root they have a say in which arguments there are; the schema then speaks for itself. */
const otherSources = [
  'patternProperties',
  'unevaluatedProperties',
  'propertyNames',
  'allOf',
  'anyOf',
  'oneOf',
  'if',
  'dependentSchemas',
  'dependencies',
  '$ref',
  '$dynamicRef',
  '$recursiveRef',
];

/** Names of the arguments that a schema knows; null when it may take others as well. */
function knownNames(schema: Json): Json | null {
  const { properties, additionalProperties = false } = schema;
  if (!isObject(properties) || additionalProperties !== false) return null;
  return otherSources.some((key) => Object.hasOwn(schema, key)) ? null : properties;
}

function unknownIn(args: Json, schema: Json, strictness: ArgumentStrictness): Mismatch | null {
  const known = strictness === 'client' ? knownNames(schema) : null;
  if (known === null) return null;
  const name = Object.keys(args).find((one) => !Object.hasOwn(known, one));
  return name === undefined ? null : unknown(name.slice(0, 200));
}

/** Models invent arguments: what a schema excludes is left out. */
function withoutUnknown(args: Json, schema: Json, strictness: ArgumentStrictness): Json {
  const known =
    strictness === 'model' && schema['additionalProperties'] === false ? knownNames(schema) : null;
  if (known === null) return args;
  return Object.fromEntries(Object.entries(args).filter(([name]) => Object.hasOwn(known, name)));
}
