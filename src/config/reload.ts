import { isDeepStrictEqual } from 'node:util';
import type { Config } from './load.ts';
import { Secret } from './secret.ts';
import { allSettings } from './settings.ts';

/** Settings that differ and that the next start reads, not a reload; by their places in the file. */
export const takeRestart = (before: Config, next: Config): string[] =>
  allSettings.flatMap(([name, { path, atStart }]) =>
    atStart === undefined || isSame(atStart(before[name]), atStart(next[name])) ? [] : [path],
  );

const isSame = (one: unknown, other: unknown): boolean => isDeepStrictEqual(revealed(one), revealed(other));

/** Secrets hide what they hold from comparisons, too. */
function revealed(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, revealed(held)]));
}
