import type { GatewayError } from '../errors/gateway-error.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import { addMember, isExactNumber, isObject, type Json } from './json.ts';

// Readers of a client's values. Each says at which field what was expected and of what type the value is; never the value.

function typeOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (isExactNumber(value)) return 'a number beyond the exact ones';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A field that is not what it has to be. `got` replaces the value's type where that would not explain it. */
export const invalid = (
  field: string,
  expected: string,
  value: unknown,
  got: string = typeOf(value),
): GatewayError => invalidRequest(field, `Invalid '${field}': expected ${expected}, but got ${got}.`);

export function readString(value: unknown, field: string, maxLength = Number.POSITIVE_INFINITY): string {
  if (typeof value !== 'string') throw invalid(field, 'a string', value);
  if (value.length > maxLength) {
    throw invalid(field, `a string of at most ${maxLength} characters`, value, 'a longer one');
  }
  return value;
}

/** A string that is not empty. */
export function readName(value: unknown, field: string, maxLength: number): string {
  const text = readString(value, field, maxLength);
  if (text === '') throw invalid(field, 'a string that is not empty', value, 'an empty one');
  return text;
}

/** '' stands for unset. */
export const readOptionalString = (value: unknown, field: string, maxLength?: number): string =>
  value === null ? '' : readString(value, field, maxLength);

export function readNumber(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== 'number') throw invalid(field, `a number from ${min} to ${max}`, value);
  if (!(value >= min && value <= max)) {
    throw invalid(field, `a number from ${min} to ${max}`, value, 'a number outside of that');
  }
  return value;
}

export function readInteger(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== 'number') throw invalid(field, `an integer from ${min} to ${max}`, value);
  if (!Number.isInteger(value)) {
    throw invalid(field, `an integer from ${min} to ${max}`, value, 'a number with a fraction');
  }
  if (value < min || value > max) {
    throw invalid(field, `an integer from ${min} to ${max}`, value, 'an integer outside of that');
  }
  return value;
}

export function readBoolean(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw invalid(field, 'a boolean', value);
  return value;
}

export function readObject(value: unknown, field: string): Json {
  if (!isObject(value)) throw invalid(field, 'an object', value);
  return value;
}

export function readArray(value: unknown, field: string, maxItems: number): unknown[] {
  if (!Array.isArray(value)) throw invalid(field, 'an array', value);
  if (value.length > maxItems) {
    throw invalid(field, `an array of at most ${maxItems} items`, value, 'a longer one');
  }
  return value;
}

export function readStrings(value: unknown, field: string, maxItems: number, maxLength: number): string[] {
  const items = readArray(value, field, maxItems);
  for (let i = 0; i < items.length; i++) readName(items[i], `${field}[${i}]`, maxLength);
  return items as string[];
}

// JSON.parse takes values of any depth. JSON.stringify does as well, but for objects whose keys are numbers or `toJSON`, and for
// numbers that are kept as their text: for those it needs stack.

/** Any value as JSON text. */
export function writeJson(value: unknown, field: string): string {
  try {
    return JSON.stringify(value);
  } catch {
    throw invalid(field, 'a value that is not nested so deeply', value);
  }
}

/** An object as JSON text. */
export const readObjectText = (value: unknown, field: string): string =>
  writeJson(readObject(value, field), field);

/** An unknown member, added to the others. */
export function keepMember(members: string, key: string, value: unknown, field: string): string {
  try {
    return addMember(members, key, value);
  } catch {
    throw invalid(field, 'a value that is not nested so deeply', value);
  }
}

/** A map's entry. A key such as `__proto__` is data like any other. */
export function putEntry<T>(map: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__') {
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
  } else map[key] = value;
}
