import type { Principal } from './principal.ts';

/** Whether someone may ask a model by this name. */
export const mayAsk = ({ models }: Principal, name: string): boolean =>
  models === null || models.some((pattern) => matches(pattern, name));

function matches(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  if (!name.startsWith(first)) return false;
  const last = rest.pop() as string;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
