import { isObject, type Json } from '../json.ts';
import { described, mergeAll, noteOf, resolveRef, type Schema } from './schema-refs.ts';
import { isSaying, writeExclusive } from './schema-subset.ts';

/**
 * Keywords that `responseJsonSchema` and `parametersJsonSchema` know, by Google's reference of GenerationConfig; `oneOf` means
 * `anyOf` there, and beside `$ref` only keys that begin with `$` may stand.
 */
const kept: ReadonlySet<string> = new Set([
  '$id',
  '$anchor',
  'format',
  'title',
  'description',
  'minItems',
  'maxItems',
  'required',
  'propertyOrdering',
]);

const maxDepth = 256;

/**
 * A JSON Schema as far as Gemini knows it. Whatever it does not know either means the same in other words, or goes into the
 * description, for the model to read. A schema that has nothing of the kind comes out as it is.
 * @throws RangeError when it is nested too deeply
 */
export const toKnownSchema = (schema: Json): Json => new FullWriter(schema).write(schema, 0) as Json;

class FullWriter {
  readonly #root: Json;

  constructor(root: Json) {
    this.#root = root;
  }

  write(schema: Schema, depth: number): Schema {
    if (depth > maxDepth) throw new RangeError('nested too deeply');
    if (typeof schema === 'boolean') return schema;
    const { $ref: ref, allOf } = schema;
    if (Array.isArray(allOf)) return this.#all(schema, allOf, depth);
    if (typeof ref === 'string') return this.#ref(schema, ref, depth);
    return this.#plain(schema, depth);
  }

  #ref(schema: Json, ref: string, depth: number): Json {
    const { $ref: _ref, $defs, definitions, ...beside } = schema;
    const definitionsHere = $defs === undefined && definitions === undefined ? {} : { $defs, definitions };
    if (resolveRef(this.#root, ref) === undefined) {
      const description = described(beside['description'], [noteOf('$ref', ref)]);
      return this.#plain({ ...beside, ...definitionsHere, description }, depth);
    }
    const target = { $ref: ref.replace(/^#\/definitions\//, '#/$defs/') };
    if (Object.keys(beside).every((key) => key.startsWith('$'))) {
      return { ...this.#plain({ ...beside, ...definitionsHere }, depth), ...target };
    }
    const union = { ...this.#plain({ ...beside, ...definitionsHere }, depth), anyOf: [target] };
    return union;
  }

  #all(schema: Json, allOf: readonly unknown[], depth: number): Schema {
    const { allOf: _all, ...beside } = schema;
    const [only] = allOf;
    if (
      allOf.length === 1 &&
      isObject(only) &&
      typeof only['$ref'] === 'string' &&
      beside['$ref'] === undefined
    ) {
      return this.write({ ...beside, ...only }, depth + 1);
    }
    const notes: string[] = [];
    const parts = allOf.map((one) => this.#target(one)).filter(isObject);
    const merged = mergeAll([beside, ...parts], notes);
    const description = described(merged['description'], notes);
    return this.write(description === undefined ? merged : { ...merged, description }, depth + 1);
  }

  #target(schema: unknown): unknown {
    if (!isObject(schema) || typeof schema['$ref'] !== 'string') return schema;
    const target = resolveRef(this.#root, schema['$ref']);
    return isObject(target) && target['$ref'] === undefined && target['allOf'] === undefined
      ? target
      : undefined;
  }

  #plain(schema: Json, depth: number): Json {
    const notes: string[] = [];
    const out: Json = {};
    const type = typeof schema['type'] === 'string' ? schema['type'].toLowerCase() : '';
    for (const key in schema) {
      const value = schema[key];
      if (value === undefined) continue;
      switch (key) {
        case 'type':
          out[key] = Array.isArray(value) ? value.map((one) => String(one).toLowerCase()) : type;
          break;
        case '$defs':
        case 'definitions':
          out['$defs'] = { ...(out['$defs'] as Json | undefined), ...this.#map(value, depth) };
          break;
        case 'properties':
          out[key] = this.#map(value, depth);
          break;
        case 'items':
          if (Array.isArray(value)) out['prefixItems'] = this.#list(value, depth);
          else if (value !== true) out[key] = this.write(asSchema(value), depth + 1);
          break;
        case 'additionalProperties':
          out[key] = this.write(asSchema(value), depth + 1);
          break;
        case 'prefixItems':
          out[key] = this.#list(value, depth);
          break;
        case 'anyOf':
        case 'oneOf':
          if (out['anyOf'] === undefined) out['anyOf'] = this.#list(value, depth);
          else notes.push(noteOf(key, value));
          break;
        case 'const':
          writeValues(out, [value], notes);
          break;
        case 'enum':
          if (Array.isArray(value)) writeValues(out, value, notes);
          break;
        case 'minimum':
        case 'maximum':
          out[key] ??= value;
          break;
        case 'exclusiveMinimum':
        case 'exclusiveMaximum':
          writeExclusive(out, schema, type, key, notes);
          break;
        case 'nullable':
          break;
        default:
          if (kept.has(key)) out[key] = value;
          else if (isSaying(key, value)) notes.push(noteOf(key, value));
      }
    }
    const description = notes.length === 0 ? undefined : described(schema['description'], notes);
    if (description !== undefined) out['description'] = description;
    return schema['nullable'] === true ? withNull(out) : out;
  }

  #map(value: unknown, depth: number): Json {
    if (!isObject(value)) return {};
    return Object.fromEntries(
      Object.entries(value).map(([name, schema]) => [name, this.write(asSchema(schema), depth + 1)]),
    );
  }

  #list(value: unknown, depth: number): Schema[] {
    return Array.isArray(value) ? value.map((schema) => this.write(asSchema(schema), depth + 1)) : [];
  }
}

/** What is no schema asks for nothing. */
const asSchema = (value: unknown): Schema => (isObject(value) || typeof value === 'boolean' ? value : {});

/** Texts and numbers can be enumerated, booleans and null are types; anything else is said in words. */
function writeValues(out: Json, values: readonly unknown[], notes: string[]): void {
  const plain = values.every((value) => typeof value === 'string' || typeof value === 'number');
  if (plain) {
    out['enum'] = values;
    const types = new Set(values.map((value) => (typeof value === 'string' ? 'string' : 'number')));
    const [only] = types;
    if (types.size === 1) out['type'] ??= only;
    return;
  }
  const named = values.filter((value) => value !== null);
  if (named.length > 0 && named.every((value) => typeof value === 'boolean')) {
    out['type'] ??= named.length < values.length ? ['boolean', 'null'] : 'boolean';
    const [only, ...others] = new Set(named);
    if (others.length === 0)
      notes.push(named.length < values.length ? noteOf('enum', values) : noteOf('const', only));
    return;
  }
  if (named.length === values.length) {
    notes.push(noteOf('enum', values));
    return;
  }
  if (named.length === 0) out['type'] = 'null';
  else if (named.every((value) => typeof value === 'string')) {
    const { type: _type, ...rest } = out;
    for (const key in out) delete out[key];
    Object.assign(out, rest, { anyOf: [{ type: 'string', enum: named }, { type: 'null' }] });
  } else notes.push(noteOf('enum', values));
}

function withNull(schema: Json): Json {
  const { type } = schema;
  if (typeof type === 'string') return { ...schema, type: [type, 'null'] };
  if (Array.isArray(type)) return type.includes('null') ? schema : { ...schema, type: [...type, 'null'] };
  const { description, title, ...rest } = schema;
  const about = {
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
  };
  return { ...about, anyOf: [rest, { type: 'null' }] };
}
