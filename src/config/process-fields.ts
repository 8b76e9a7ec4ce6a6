import { isMap } from './file.ts';
import { type ValueReader, Wrong } from './values.ts';

// What processes are given that the gateway starts.

/** More arguments, variables and the like are refused. */
export const maxItems = 256;

/** What a process is given may hold any text but NUL, which the system cannot take. */
const isArgument = (item: unknown): item is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof item) &&
  String(item).length <= 32_768 &&
  !String(item).includes('\0');

/** The name of a variable of the environment. */
export const isVariable = (name: unknown): name is string =>
  typeof name === 'string' && /^[A-Za-z_]\w{0,127}$/.test(name);

export const args: ValueReader<readonly string[]> = (raw) =>
  Array.isArray(raw) && raw.length <= maxItems && raw.every(isArgument)
    ? raw.map(String)
    : new Wrong(`a list of at most ${maxItems} texts`);

export const env: ValueReader<Readonly<Record<string, string>>> = (raw) => {
  const entries = isMap(raw) ? Object.entries(raw) : null;
  const fits = entries?.every(([name, value]) => isVariable(name) && isArgument(value));
  if (entries === null || entries.length > maxItems || fits !== true) {
    return new Wrong(`a map of at most ${maxItems} names of variables to texts`);
  }
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
};
