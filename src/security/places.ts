import { kindOf, kinds, type ReadableText } from './text.ts';

const dot = 0x2e;
const dash = 0x2d;
const slash = 0x2f;
const colon = 0x3a;
const atSign = 0x40;

const isPlain = (code: number): boolean => {
  const kind = kindOf(code);
  return kind === kinds.digit || kind === kinds.upper || kind === kinds.lower;
};
const isLetter = (code: number): boolean => {
  const kind = kindOf(code);
  return kind === kinds.upper || kind === kinds.lower;
};

/** What may stand before the `@` of an address of e-mail, besides letters and digits: `.`, `_`, `%`, `+`, `-`. */
const isLocal = (code: number): boolean =>
  isPlain(code) || code === dot || code === 0x5f || code === 0x25 || code === 0x2b || code === dash;

/** Characters of a domain name, at most. */
const maxDomain = 253;

/** Whether the `@` at a place is that of an address of e-mail. */
export function hasEmail(text: ReadableText, at: number): boolean {
  if (at === 0 || !isLocal(text.charCodeAt(at - 1))) return false;
  let label = 0;
  let letters = 0;
  let dots = 0;
  const end = Math.min(text.length, at + 1 + maxDomain);
  for (let i = at + 1; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      // The end of a sentence.
      if (label === 0 || !isPlain(text.charCodeAt(i + 1))) break;
      dots++;
      label = 0;
      letters = 0;
    } else if (isPlain(code) || code === dash) {
      label++;
      if (isLetter(code)) letters++;
    } else break;
  }
  return dots > 0 && label >= 2 && letters === label;
}

const armor = '-----BEGIN ';
const privateKey = 'PRIVATE KEY';
/** Characters of the kind of key before that: "ENCRYPTED ", "OPENSSH ". */
const maxKind = 12;

/** Whether the head of a private key in PEM begins at a place. */
export function hasPrivateKey(text: ReadableText, at: number): boolean {
  for (let i = 0; i < armor.length; i++) {
    if (text.charCodeAt(at + i) !== armor.charCodeAt(i)) return false;
  }
  const from = at + armor.length;
  return text.slice(from, from + maxKind + privateKey.length).includes(privateKey);
}

/** Characters of a user's name and password in an address, at most. */
const maxLogin = 200;
/** Not what anybody's password is but what stands in its place in examples. */
const placeholders = new Set(
  'password passwd pass pwd secret user username admin root postgres mysql guest test example changeme mypassword yourpassword your_password your-password token'.split(
    ' ',
  ),
);

/** Whether the colon at a place is that of an address with a password: `scheme://name:password@host`. */
export function hasUrlPassword(text: ReadableText, at: number): boolean {
  if (text.charCodeAt(at + 1) !== slash || text.charCodeAt(at + 2) !== slash) return false;
  if (at === 0 || !isPlain(text.charCodeAt(at - 1))) return false;
  const from = at + 3;
  let password = -1;
  let isPort = true;
  const end = Math.min(text.length, from + maxLogin);
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === atSign)
      return password > 0 && isPassword(text.slice(from, password - 1), text.slice(password, i));
    if (code === colon && password < 0) {
      password = i + 1;
      continue;
    }
    // Blanks, quotes, and what ends the authority of an address or is a placeholder's.
    if (code <= 0x20 || code === slash || code === 0x22 || code === 0x27 || code === 0x3c || code === 0x3e)
      return false;
    if (code === 0x7b || code === 0x60) return false;
    // These end the authority, too, but people forget to encode those of a password. A port is none.
    if ((code === 0x23 || code === 0x3f) && isPort) return false;
    if (password > 0 && kindOf(code) !== kinds.digit) isPort = false;
  }
  return false;
}

/** Not what a variable or a reader is to fill in. */
const isPassword = (user: string, password: string): boolean =>
  password.length >= 5 &&
  password !== user &&
  !/^[[*.]/.test(password) &&
  // `%s`, `%PASSWORD%`, but not what is encoded.
  !/^%(?:[^0-9a-f]|.[^0-9a-f]|.*%$)/i.test(password) &&
  !/^\$(?:[({]|\d+$|[A-Za-z_]+$|[A-Z_][A-Z0-9_]+$)/.test(password) &&
  !/^(.)\1*$/.test(password) &&
  !placeholders.has(password.toLowerCase());

/** Characters of a value that are looked at. */
const maxValue = 24;
const leastValue = 6;
const isQuote = (code: number): boolean => code === 0x22 || code === 0x27;

/**
 * Whether a name that ends at a place gets a value that may be a secret: `name=value`, `"name": "value"`. In code most names get other names, or what a
 * function returns, instead: a value has digits and letters.
 */
export function isAssigned(text: ReadableText, end: number): boolean {
  let i = end;
  if (isQuote(text.charCodeAt(i))) i++;
  if (text.charCodeAt(i) === 0x20) i++;
  const sign = text.charCodeAt(i);
  if (sign !== 0x3d && sign !== colon) return false;
  i++;
  if (text.charCodeAt(i) === 0x20) i++;
  const isQuoted = isQuote(text.charCodeAt(i));
  if (isQuoted) i++;
  const from = i;
  let digits = 0;
  let letters = 0;
  for (; i - from < maxValue && i < text.length; i++) {
    const code = text.charCodeAt(i);
    // Of calls and members.
    if (!isQuoted && (code === 0x28 || code === 0x5b || code === dot)) return false;
    // Blanks, quotes, `&`, `,`, `;`, `=`.
    if (code <= 0x20 || isQuote(code) || code === 0x26 || code === 0x2c || code === 0x3b || code === 0x3d)
      break;
    if (kindOf(code) === kinds.digit) digits++;
    else if (isLetter(code)) letters++;
  }
  return i - from >= leastValue && digits > 0 && letters > 0;
}
