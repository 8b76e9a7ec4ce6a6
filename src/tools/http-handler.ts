import { isExactNumber, isObject } from '../codec/json.ts';

// What a tool behind an HTTP address may be like, whoever names it.

/** Bounds of a handler. */
export const handlerBounds = { urlChars: 2_048, headers: 32, headerChars: 4_096 } as const;

/** Headers that belong to the connection, or that the gateway itself sets. */
const ownHeaders: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** What is wrong with an address, as the end of a sentence; null when nothing is. */
export function urlMistake(text: string): string | null {
  if (text.length > handlerBounds.urlChars) return `has to have at most ${handlerBounds.urlChars} characters`;
  if (/\s/.test(text) || !URL.canParse(text)) return 'has to be an http or https URL';
  const { protocol, username, password, hash, hostname } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return 'has to be an http or https URL';
  if (username !== '' || password !== '') return 'must not have credentials in it; send them as a header';
  if (hash !== '') return 'must not have a fragment';
  if (hostname === '') return 'has to name a host';
  return null;
}

/** What is wrong with a header, as the end of a sentence; null when nothing is. Never tells the value. */
export function headerMistake(name: string, value: unknown): string | null {
  if (!/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(name))
    return 'has to have a name that HTTP knows, of at most 128 characters';
  if (ownHeaders.has(name.toLowerCase())) return 'is set by the gateway itself';
  if (
    typeof value !== 'string' ||
    value.length > handlerBounds.headerChars ||
    !/^[\t\x20-\x7e]*$/.test(value)
  )
    return `has to be at most ${handlerBounds.headerChars} printable ASCII characters`;
  return null;
}

const placeholder = /%7B([\w-]{1,64})%7D/gi;

/** Names of the arguments in the path of an address. */
export const placeholdersOf = (url: string): string[] =>
  [...new URL(url).pathname.matchAll(placeholder)].map(([, name]) => name as string);

/** The first placeholder of an address that a call might leave open: the schema does not require it. */
export function openPlaceholder(url: string, parametersJson: string): string | null {
  const schema: unknown = JSON.parse(parametersJson);
  const required = isObject(schema) && Array.isArray(schema['required']) ? schema['required'] : [];
  return placeholdersOf(url).find((name) => !required.includes(name)) ?? null;
}

/** A path with its placeholders filled in. @returns null when an argument cannot stand in a path */
export function fillPath(pathname: string, args: Readonly<Record<string, unknown>>): string | null {
  let fits = true;
  const path = pathname.replace(placeholder, (_all, name: string) => {
    const text = segmentOf(Object.hasOwn(args, name) ? args[name] : undefined);
    if (text === null) fits = false;
    return text === null ? '' : encodeURIComponent(text);
  });
  return fits ? path : null;
}

/** A value as a part of a path; null for one that has no place there. `.` and `..` would make it another path. */
function segmentOf(value: unknown): string | null {
  if (typeof value === 'string') return /^\.{0,2}$/.test(value) || !value.isWellFormed() ? null : value;
  const isScalar = typeof value === 'number' || typeof value === 'boolean' || isExactNumber(value);
  return isScalar ? JSON.stringify(value) : null;
}
