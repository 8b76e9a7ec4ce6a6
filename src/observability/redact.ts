const mask = '[redacted]';

/** Secrets that the process itself holds, such as configured keys. */
const known = new Set<string>();
/** More are not remembered; a gateway has a handful. */
const maxKnown = 1_000;
/** Shorter ones are not masked by what they are: they would mask ordinary words. */
const leastKnown = 6;
let knownPattern: RegExp | null = null;

/** From now on masks this very text wherever it stands, whatever it looks like. Short texts are not taken. */
export function rememberSecret(value: string): void {
  if (value.length < leastKnown || known.has(value)) return;
  if (known.size >= maxKnown) known.delete(known.values().next().value as string);
  known.add(value);
  const longestFirst = [...known].sort((a, b) => b.length - a.length);
  knownPattern = new RegExp(longestFirst.map((text) => RegExp.escape(text)).join('|'), 'g');
}

/** As if none had been remembered: tests that share a process do not mask one another's words. */
export function forgetSecrets(): void {
  known.clear();
  knownPattern = null;
}

const alwaysSecret =
  /authorization|apikey|cookie|passw(?:or)?d|passphrase|^pwd$|secret|credential|privatekey|accesskey/;

/**
 * Whether what stands under this name is a secret: `always`; or `texts` only, since `token` names secrets as well as counts.
 * The spelling of the name does not matter (`X-Api-Key`, `x_api_key`, `xApiKey`).
 */
export function secretName(name: string): 'always' | 'texts' | null {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  if (alwaysSecret.test(plain)) return 'always';
  return plain.includes('token') && !plain.includes('tokeniz') ? 'texts' : null;
}

/** Texts that none of the patterns below can match, told apart at little cost. */
const suspicious =
  /[srp]k-|lgw_|bearer|basic|digest|AIza|xai-|gsk_|hf_|r8_|pplx-|gh[opsur]_|github_pat|A[KS]IA|eyJ|:\/\/|key|token|secret|passw|pwd|authoriz|cookie/i;

const name =
  '(?:api[-_ ]?key|access[-_]?key|private[-_]?key|secret(?:[-_]?key)?|token|passw(?:or)?d|pwd|credentials?)';

const header = '(?:(?:proxy-)?authorization|(?:set-)?cookie)';
/** What follows a name in JSON, or in JSON within a text of JSON. */
const quotedValue = `\\\\*["']?\\s*[:=]\\s*\\\\*(["']))(?:(?!\\2|\\\\).)+`;

/** What is a secret wherever it stands, and what is put in its place. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, mask],
  // Headers as text: up to the end of the quotes, or of the line.
  [new RegExp(`\\b(${header}${quotedValue}`, 'gi'), `$1${mask}`],
  [new RegExp(`\\b(${header}\\s*[:=]\\s*)(?!["'\\\\])[^\\r\\n]+`, 'gi'), `$1${mask}`],
  [/\b(Bearer)\s+(?!token\b|auth)[\w.~+/=*-]{4,}/gi, `$1 ${mask}`],
  [/\b(Basic)\s+(?!auth)[A-Za-z0-9+/]{8,}={0,2}/gi, `$1 ${mask}`],
  // Keys of the known vendors, also half masked as some repeat them in their errors.
  [/\b[srp]k-[\w*-]{6,}/g, mask],
  [/\bAIza[\w-]{10,}/g, mask],
  // The gateway's own.
  [/\blgw_\w{8,}/g, mask],
  [/\b(?:xai|pplx)-[\w*-]{6,}/g, mask],
  [/\b(?:gsk|hf|r8|gh[opsur]|github_pat)_\w{8,}/g, mask],
  [/\bA[KS]IA[A-Z0-9]{12,}/g, mask],
  [/\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?/g, mask],
  // Credentials in a URL.
  [/(:\/\/[^\s:/@]{0,256}:)[^\s/@]{1,1024}@/g, `$1${mask}@`],
  // `name=value`, `"name": "value"`; and `name: value` where the value does not look like a word.
  [new RegExp(`(${name}${quotedValue}`, 'gi'), `$1${mask}`],
  [new RegExp(`(${name}=)[^\\s"'&;,]+`, 'gi'), `$1${mask}`],
  [new RegExp(`(${name}:\\s+)(?!\\d{1,9}\\b)(?=[^\\s"',]*\\d)[^\\s"',]{6,}`, 'gi'), `$1${mask}`],
];

/** Longest text that is kept, in characters. */
export const maxText = 8_192;
/** Looked at beyond the cut, so that no part of a secret stands before it unrecognised. */
const overlap = 4_096;

/** A text without the secrets in it, cut to `most` characters. */
export function redactText(text: string, most = maxText): string {
  const cut = text.length > most;
  let clean = cut ? text.slice(0, most + overlap) : text;
  if (knownPattern !== null) clean = clean.replace(knownPattern, mask);
  if (suspicious.test(clean)) for (const [pattern, by] of patterns) clean = clean.replace(pattern, by);
  return cut ? `${clean.slice(0, most)}… [${text.length - most} more characters]` : clean;
}

/** What stands in place of a secret. */
export const redacted = mask;
