import { invalidRequest } from '../../errors/gateway-error.ts';
import { isObject, type Json } from '../json.ts';
import { toKnownSchema } from './schema-full.ts';
import { toSubset } from './schema-subset.ts';

function parsed(text: string, field: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw invalidRequest(field, `Invalid '${field}': it is not JSON.`);
  }
  if (!isObject(json)) throw invalidRequest(field, `Invalid '${field}': expected a JSON Schema, an object.`);
  return json;
}

const tooDeep = (field: string) => invalidRequest(field, `Invalid '${field}': it is nested too deeply.`);

function known(schema: Json, field: string): Json {
  try {
    return toKnownSchema(schema);
  } catch (error) {
    throw error instanceof RangeError ? tooDeep(field) : error;
  }
}

/**
 * The schema of a function's arguments as members of its declaration, without braces; '' for none. `parameters` is what every
 * version of the API and every model takes, so it is used for all that its subset can say. The rest goes as
 * `parametersJsonSchema`, which knows references, maps, tuples and numbers as enumeration.
 * @throws GatewayError INVALID_REQUEST
 */
export function encodeParametersSchema(text: string, field: string): string {
  if (text.trim() === '') return '';
  const schema = parsed(text, field);
  if (isEmpty(schema)) return '';
  const subset = toSubset(schema);
  if (subset !== null) {
    // An object without properties is refused; no schema at all says the same.
    return subset['properties'] === undefined ? '' : `"parameters":${JSON.stringify(subset)}`;
  }
  return `"parametersJsonSchema":${written(schema, known(schema, field), text)}`;
}

/**
 * The schema of the answer as the value of `responseJsonSchema`.
 * @throws GatewayError INVALID_REQUEST
 */
export function encodeResponseSchema(text: string, field: string): string {
  const schema = parsed(text, field);
  return written(schema, known(schema, field), text);
}

/** The client's own bytes where nothing had to change. */
function written(given: Json, translated: Json, text: string): string {
  const json = JSON.stringify(translated);
  return json === JSON.stringify(given) ? text.trim() : json;
}

/** No arguments: nothing but that it is an object. */
function isEmpty(schema: Json): boolean {
  const { type = 'object', properties = {}, ...rest } = schema;
  const named = isObject(properties) ? Object.keys(properties).length : 1;
  if (String(type).toLowerCase() !== 'object' || named > 0) return false;
  return Object.entries(rest).every(
    ([key, value]) =>
      key === '$schema' ||
      (key === 'additionalProperties' && value === false) ||
      (key === 'required' && Array.isArray(value) && value.length === 0),
  );
}
