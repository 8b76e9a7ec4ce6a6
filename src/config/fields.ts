import { isMap, type YamlMap } from './file.ts';
import type { Problems } from './problems.ts';
import { type ValueReader, Wrong } from './values.ts';

/** Readers by the names of a map's members. */
export type Readers = Readonly<Record<string, ValueReader<unknown>>>;

/** What the members become; those that are not given are not there. */
export type FieldsOf<R extends Readers> = {
  readonly [K in keyof R]?: R[K] extends ValueReader<infer T> ? T : never;
};

/**
 * Reads a map member by member. An unknown name is a mistake; nothing (null, `""`) counts as not given.
 * @param place where the map is, for error lines
 * @returns null when it is not a map
 */
export function readFields<R extends Readers>(
  place: string,
  raw: unknown,
  readers: R,
  problems: Problems,
): FieldsOf<R> | null {
  if (!isMap(raw)) {
    problems.wrong(place, raw, 'a map of settings');
    return null;
  }
  const fields: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(raw)) {
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (read === undefined) {
      problems.unknown(`${place}.${name}`, name, Object.keys(readers));
      continue;
    }
    if (given === null || given === '') continue;
    const value = read(given);
    if (value instanceof Wrong) problems.wrong(`${place}.${name}`, given, value.allowed);
    else fields[name] = value;
  }
  return fields as FieldsOf<R>;
}

/** Any map; its members are read later. */
export const anyMap: ValueReader<YamlMap> = (raw) => (isMap(raw) ? raw : new Wrong('a map of settings'));
