import type { Extras } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../model/build.ts';

/** A JSON object as JSON.parse makes it. */
export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Numbers that a double may not hold: those with many digits before the point, and those with a large exponent. */
const risky = /(?<![.\d])\d{16}|\d[eE]\+?\d{3}/;
const long = /^-?\d{16}/;

interface RawJson {
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): boolean;
}
const { rawJSON, isRawJSON } = JSON as unknown as RawJson;

/**
 * JSON text as values. Numbers that a double cannot hold (integers beyond 2^53, 1e400) are kept as their text: they are objects
 * here, and are written as they came. A byte order mark is skipped.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  return risky.test(json) ? JSON.parse(json, exactNumber) : JSON.parse(json);
}

function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value;
  const exact = Number.isSafeInteger(value) || (Number.isFinite(value) && !long.test(context.source));
  return exact ? value : rawJSON(context.source);
}

/** Whether a value is a number that a double cannot hold. */
export const isExactNumber = (value: unknown): boolean => isRawJSON(value);

/** A string as JSON text. */
export const quote = (value: string): string => JSON.stringify(value);

/** A number as JSON text; what JSON cannot carry is null. */
export const number = (value: number): string => (Number.isFinite(value) ? `${value}` : 'null');

/**
 * Members of a JSON object as text without braces, one more.
 * @throws RangeError when the value is nested too deeply to be written
 */
export const addMember = (members: string, key: string, value: unknown): string =>
  `${members === '' ? '' : `${members},`}${quote(key)}:${JSON.stringify(value)}`;

/** The same with a value that is JSON text. */
export const addText = (members: string, key: string, value: string): string =>
  `${members === '' ? '' : `${members},`}"${key}":${value}`;

/** Members that belong into the object under `key`, whose own unknown members they are. */
export const addNested = (members: string, key: string, inner: string): string =>
  inner === '' ? members : addText(members, key, `{${inner}}`);

/** Unknown members as extras of a dialect. `repeated`: see Extras.repeated_keys. */
export const membersAsExtras = (dialect: string, members: string, repeated?: string[]): Extras =>
  build.extras(dialect, `{${members}}`, repeated);

/** The members of extras of a dialect; none of others'. */
export function membersOf(dialect: string, extras: Extras | undefined): string {
  if (extras === undefined || extras.dialect !== dialect) return '';
  const text = extras.json.trim();
  return text.slice(1, -1).trim();
}

/** Extras that belong partly into an object within: its members, and the rest. */
export interface SplitMembers {
  readonly inner: string;
  readonly outer: string;
}

const nothing: SplitMembers = { inner: '', outer: '' };

/** Takes the members of the object `key` out of members; the others keep their text where there is none. */
export function splitMembers(members: string, key: string): SplitMembers {
  if (members === '') return nothing;
  if (!members.includes(`"${key}"`)) return { inner: '', outer: members };
  const json = JSON.parse(`{${members}}`) as Json;
  let inner = '';
  let outer = '';
  for (const name in json) {
    const value = json[name];
    if (name !== key || !isObject(value)) outer = addMember(outer, name, value);
    else inner = JSON.stringify(value).slice(1, -1);
  }
  return { inner, outer };
}

/** `,` and the members, or nothing. */
export const rest = (members: string): string => (members === '' ? '' : `,${members}`);
