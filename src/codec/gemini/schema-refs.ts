import { isObject, type Json } from '../json.ts';

/** A part of a JSON Schema: an object, or true and false. */
export type Schema = Json | boolean;

/** What a reference within a schema means; undefined when it leads nowhere, or out of the document. */
export function resolveRef(root: Json, ref: string): Schema | undefined {
  if (!ref.startsWith('#')) return undefined;
  let at: unknown = root;
  for (const step of pointer(ref)) {
    if (Array.isArray(at)) at = at[Number(step)];
    else if (isObject(at) && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return isObject(at) || typeof at === 'boolean' ? at : undefined;
}

function pointer(ref: string): string[] {
  let text = ref.slice(1);
  try {
    text = decodeURIComponent(text);
  } catch {
    // A bad escape stays as it is.
  }
  if (text === '' || text === '/') return [];
  return text
    .replace(/^\//, '')
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What a schema cannot say any more, as words that go into its description: `format: "email"`. */
export const noteOf = (key: string, value: unknown): string =>
  `${key}: ${JSON.stringify(value).slice(0, maxNote)}`;

/** In characters: a note is for the model to read. */
const maxNote = 500;

export function described(description: unknown, notes: readonly string[]): string | undefined {
  const text = typeof description === 'string' ? description : '';
  if (notes.length === 0) return typeof description === 'string' ? text : undefined;
  const more = `(${notes.join('; ')})`;
  return text === '' ? more : `${text} ${more}`;
}

/** Keys of JSON Schema that ask nothing of a value. */
export const silentKeys: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  'id',
  '$anchor',
  '$comment',
  '$vocabulary',
  '$dynamicAnchor',
  '$recursiveAnchor',
  '$defs',
  'definitions',
  'readOnly',
  'writeOnly',
  'deprecated',
  'strict',
  'discriminator',
  'externalDocs',
  'xml',
]);

/**
 * Several schemas that all hold, as one: properties and required names together, of other keys the first. What else two of them
 * say about the same key becomes a note.
 */
export function mergeAll(schemas: readonly Json[], notes: string[]): Json {
  const merged: Json = {};
  for (const schema of schemas) {
    for (const key in schema) {
      if (key === '__proto__') continue;
      const value = schema[key];
      const known = Object.hasOwn(merged, key) ? merged[key] : undefined;
      if (known === undefined) merged[key] = value;
      else if (
        (key === 'properties' || key === '$defs' || key === 'definitions') &&
        isObject(known) &&
        isObject(value)
      )
        merged[key] = { ...known, ...value };
      else if (key === 'required' && Array.isArray(known) && Array.isArray(value))
        merged[key] = [...new Set([...known, ...value])];
      else if (
        !silentKeys.has(key) &&
        key !== 'description' &&
        JSON.stringify(known) !== JSON.stringify(value)
      )
        notes.push(noteOf(key, value));
    }
  }
  return merged;
}
