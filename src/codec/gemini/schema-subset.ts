import { isObject, type Json } from '../json.ts';
import { described, mergeAll, noteOf, resolveRef, type Schema, silentKeys } from './schema-refs.ts';

/** Keywords of Gemini's `Schema` that apply to each type; `title`, `description`, `default` and `enum` apply to all. */
const keywordsOfType: ReadonlyMap<string, readonly string[]> = new Map([
  ['string', ['minLength', 'maxLength', 'pattern', 'format']],
  ['number', ['minimum', 'maximum', 'format']],
  ['integer', ['minimum', 'maximum', 'format']],
  ['boolean', []],
  ['array', ['items', 'minItems', 'maxItems']],
  ['object', ['properties', 'required', 'minProperties', 'maxProperties', 'propertyOrdering']],
]);

/** Formats that are not refused, by type. */
const formatsOfType: ReadonlyMap<string, readonly string[]> = new Map([
  ['string', ['date-time', 'enum']],
  ['number', ['float', 'double']],
  ['integer', ['int32', 'int64']],
]);

/** Keywords that say nothing of a value of another type, so that they may go where the type is another. */
const typed: ReadonlySet<string> = new Set([...keywordsOfType.values()].flat());

/** Bounds of what references may unfold to. */
const maxDepth = 64;
const maxSchemas = 4_000;

/** Thrown inside for what the subset cannot say. */
const inexpressible = new Error('not expressible in the subset');

/**
 * A JSON Schema of a function's arguments in the subset of OpenAPI's that Gemini's `parameters` takes. References are put in
 * place; what asks something of a value but has no keyword goes into the description.
 * @returns null when the subset cannot say it: recursion, maps, tuples, numbers as enumeration, values of any type
 */
export function toSubset(schema: Json): Json | null {
  try {
    const translated = new SubsetWriter(schema).write(schema, []);
    delete translated['nullable'];
    return translated['type'] === 'OBJECT' ? translated : null;
  } catch (error) {
    if (error === inexpressible || error instanceof RangeError) return null;
    throw error;
  }
}

class SubsetWriter {
  readonly #root: Json;
  #count = 0;

  constructor(root: Json) {
    this.#root = root;
  }

  /** @param refs the references that are being put in place around it */
  write(schema: Schema, refs: readonly string[], depth = 0): Json {
    if (++this.#count > maxSchemas || depth > maxDepth || typeof schema === 'boolean') throw inexpressible;
    const { $ref: ref, allOf } = schema;
    if (typeof ref === 'string') {
      const { $ref: _ref, ...beside } = schema;
      const target = refs.includes(ref) ? undefined : resolveRef(this.#root, ref);
      if (!isObject(target)) throw inexpressible;
      return this.#merged([beside, target], [...refs, ref], depth);
    }
    if (Array.isArray(allOf)) {
      const { allOf: _all, ...beside } = schema;
      const followed: string[] = [...refs];
      const all = allOf.map((one) => this.#followed(one, followed));
      return this.#merged([beside, ...all], followed, depth);
    }
    const union = schema['anyOf'] ?? schema['oneOf'];
    if (Array.isArray(union)) return this.#union(schema, union, refs, depth);
    return this.#plain(schema, refs, depth);
  }

  #followed(schema: unknown, refs: string[]): Json {
    let at = schema;
    while (isObject(at) && typeof at['$ref'] === 'string') {
      const { $ref: ref, ...beside } = at;
      if (refs.includes(ref as string)) throw inexpressible;
      refs.push(ref as string);
      const target = resolveRef(this.#root, ref as string);
      if (!isObject(target)) throw inexpressible;
      at = mergeAll([beside, target], []);
    }
    if (!isObject(at)) throw inexpressible;
    return at;
  }

  #merged(schemas: readonly Json[], refs: readonly string[], depth: number): Json {
    const notes: string[] = [];
    const merged = mergeAll(schemas, notes);
    const description = described(merged['description'], notes);
    if (description !== undefined) merged['description'] = description;
    return this.write(merged, refs, depth + 1);
  }

  /** `anyOf` has to stand alone: what stands beside it goes into each of its branches, null becomes `nullable`. */
  #union(schema: Json, union: readonly unknown[], refs: readonly string[], depth: number): Json {
    const { anyOf, oneOf, title, default: given, ...beside } = schema;
    if (anyOf !== undefined && oneOf !== undefined) beside['allOf'] = [{ oneOf }];
    const kinds = union.filter((one) => !isNull(one));
    if (kinds.length === 0 || !kinds.every(isObject)) throw inexpressible;
    const nullable = kinds.length < union.length || schema['nullable'] === true;
    if (kinds.length === 1) {
      const own = title === undefined ? {} : { title };
      const whole = given === undefined ? {} : { default: given };
      const only = this.#merged([{ ...own, ...beside, ...whole }, kinds[0] as Json], refs, depth);
      return nullable ? withNull(only) : only;
    }
    const branches = kinds.flatMap((kind) => {
      const branch = this.#merged([kind as Json, beside], refs, depth);
      const inner = branch['anyOf'];
      return Array.isArray(inner) ? (inner as Json[]) : [branch];
    });
    const all = nullable ? branches.map(withNull) : branches;
    return asEnum(all) ?? { anyOf: all };
  }

  #plain(schema: Json, refs: readonly string[], depth: number): Json {
    const types = typesOf(schema);
    const nullable = types.includes('null') || schema['nullable'] === true;
    const kinds = types.filter((type) => type !== 'null');
    if (kinds.length > 1) {
      const branches = kinds.map((type) => this.#plain({ ...schema, type, nullable }, refs, depth));
      return { anyOf: branches };
    }
    const [type] = kinds;
    if (type === undefined || !keywordsOfType.has(type)) throw inexpressible;
    const written = this.#typed(schema, type, refs, depth);
    return nullable ? withNull(written) : written;
  }

  #typed(schema: Json, type: string, refs: readonly string[], depth: number): Json {
    const own = keywordsOfType.get(type) ?? [];
    const notes: string[] = [];
    const out: Json = { type: type.toUpperCase() };
    for (const key in schema) {
      const value = schema[key];
      switch (key) {
        case 'type':
        case 'nullable':
        case 'description':
          break;
        case 'title':
        case 'default':
          out[key] = value;
          break;
        case 'const':
          writeEnum(out, type, [value], notes);
          break;
        case 'enum':
          if (Array.isArray(value)) writeEnum(out, type, value, notes);
          break;
        case 'format':
          if (formatsOfType.get(type)?.includes(String(value))) out[key] = value;
          else notes.push(noteOf(key, value));
          break;
        case 'properties':
          if (type === 'object') this.#properties(out, schema, refs, depth);
          break;
        case 'required':
        case 'propertyOrdering':
          if (type === 'object') writeNames(out, key, schema);
          break;
        case 'additionalProperties':
          if (type === 'object' && !isClosed(schema)) throw inexpressible;
          break;
        case 'items':
          if (type === 'array') out[key] = this.write(asSchema(value), refs, depth + 1);
          break;
        case 'prefixItems':
          throw inexpressible;
        case 'exclusiveMinimum':
        case 'exclusiveMaximum':
          writeExclusive(out, schema, type, key, notes);
          break;
        default:
          if (own.includes(key)) out[key] ??= value;
          else if (!typed.has(key) && isSaying(key, value)) notes.push(noteOf(key, value));
      }
    }
    if (type === 'array' && out['items'] === undefined) throw inexpressible;
    const description = described(schema['description'], notes);
    if (description !== undefined) out['description'] = description;
    return out;
  }

  #properties(out: Json, schema: Json, refs: readonly string[], depth: number): void {
    const given = schema['properties'];
    if (!isObject(given)) return;
    const entries = Object.entries(given)
      .filter(([, value]) => value !== false)
      .map(([name, value]): [string, Json] => [name, this.write(asSchema(value), refs, depth + 1)]);
    if (entries.length > 0) out['properties'] = Object.fromEntries(entries);
  }
}

/** Whether a keyword that Gemini does not have asks something of a value. */
export const isSaying = (key: string, value: unknown): boolean =>
  value !== false && !silentKeys.has(key) && !key.startsWith('x-') && key !== 'unevaluatedProperties';

const isNull = (schema: unknown): boolean =>
  isObject(schema) && (schema['type'] === 'null' || schema['const'] === null);

const asSchema = (value: unknown): Schema => {
  if (isObject(value) || typeof value === 'boolean') return value;
  throw inexpressible;
};

const withNull = (schema: Json): Json => ({ ...schema, nullable: true });

/** An object that takes no members besides those it names, as far as Gemini can say: it makes none of its own accord. */
function isClosed(schema: Json): boolean {
  const more = schema['additionalProperties'];
  const named = isObject(schema['properties']) && Object.keys(schema['properties']).length > 0;
  if (more === false) return true;
  return named && (more === true || (isObject(more) && Object.keys(more).length === 0));
}

/** The types that a schema names or, where it names none, those that show. */
function typesOf(schema: Json): string[] {
  const { type } = schema;
  if (typeof type === 'string') return [type.toLowerCase()];
  if (Array.isArray(type)) return [...new Set(type.map((one) => String(one).toLowerCase()))];
  if (schema['properties'] !== undefined) return ['object'];
  if (schema['items'] !== undefined) return ['array'];
  const values = Object.hasOwn(schema, 'const') ? [schema['const']] : schema['enum'];
  if (!Array.isArray(values)) return [];
  return [...new Set(values.map((value) => (value === null ? 'null' : typeof value)))];
}

/** Only texts can be enumerated. Which of the two booleans it has to be is said in words. */
function writeEnum(out: Json, type: string, values: readonly unknown[], notes: string[]): void {
  const given = values.filter((value) => value !== null);
  if (given.length < values.length) out['nullable'] = true;
  if (type === 'boolean') {
    if (given.length === 1) notes.push(noteOf('const', given[0]));
    return;
  }
  const texts = given.filter((value) => typeof value === 'string');
  if (type !== 'string' || texts.length < given.length) throw inexpressible;
  // An empty text in an enumeration is refused.
  const named = texts.filter((text) => text !== '');
  if (named.length < texts.length) notes.push('may be ""');
  if (named.length > 0) out['enum'] = named;
}

/** Names of properties that are not there are refused. */
function writeNames(out: Json, key: string, schema: Json): void {
  const names = schema[key];
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  if (!Array.isArray(names)) return;
  const known = names.filter(
    (name) => typeof name === 'string' && Object.hasOwn(properties, name) && properties[name] !== false,
  );
  if (known.length > 0) out[key] = known;
}

/** Of whole numbers the next one is the bound; of others the bound itself, and the rest is said in words. */
export function writeExclusive(out: Json, schema: Json, type: string, key: string, notes: string[]): void {
  const bound = schema[key];
  if (bound === false) return;
  const least = key === 'exclusiveMinimum';
  const inclusive = least ? 'minimum' : 'maximum';
  if (typeof bound !== 'number' || (type !== 'integer' && type !== 'number')) {
    notes.push(noteOf(key, bound));
    return;
  }
  const whole = least ? Math.floor(bound) + 1 : Math.ceil(bound) - 1;
  const nearest = type === 'integer' ? whole : bound;
  const other = schema[inclusive];
  const both = typeof other === 'number' ? (least ? Math.max : Math.min)(nearest, other) : nearest;
  out[inclusive] = both;
  if (type === 'number') notes.push(noteOf(key, bound));
}

/** A choice between texts is one enumeration of them. */
function asEnum(branches: readonly Json[]): Json | undefined {
  const plain = branches.every(
    (branch) =>
      branch['type'] === 'STRING' && Array.isArray(branch['enum']) && Object.keys(branch).every(isOfEnum),
  );
  const description = branches[0]?.['description'];
  if (!plain || branches.some((branch) => branch['description'] !== description)) return undefined;
  const values = branches.flatMap((branch) => branch['enum'] as string[]);
  const nullable = branches.some((branch) => branch['nullable'] === true);
  return {
    type: 'STRING',
    enum: [...new Set(values)],
    ...(description === undefined ? {} : { description }),
    ...(nullable ? { nullable } : {}),
  };
}

const isOfEnum = (key: string): boolean =>
  key === 'type' || key === 'enum' || key === 'description' || key === 'nullable';
