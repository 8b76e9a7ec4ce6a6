/** Blanks, dashes and invisible characters that hide what stands in a text. One look at each character, and most texts have none of these. */
const isOdd = (text: string): boolean =>
  /[\u00a0\u00ad\u2000-\u200d\u2010-\u2013\u202f\u205f\u2060\u2212\u3000\ufe63\ufeff\uff0d]/.test(text);

const blanks = /[\u00a0\u2000-\u200a\u202f\u205f\u3000]+/g;
const dashes = /[\u2010-\u2013\u2212\ufe63\uff0d]/g;
/** What nobody sees, within a word of ASCII. Other scripts write words with these. */
const invisible = /(?<=[!-~])[\u00ad\u200b-\u200d\u2060\ufeff]+(?=[!-~])/g;
/** Escapes that can stand within a secret; those for blanks end a word as they are. */
const hides = /\\(?:u[0-9a-f]{4}|\/)/i;
const escapes = /\\(?:u([0-9a-f]{4})|(["\\/bfnrt]))/gi;
/** JSON in the strings of JSON, and once more. */
const maxUnescaped = 3;

/**
 * How a text is to be read: as it is, with other blanks and dashes than ASCII's as those; without invisible characters; and as the strings that it
 * holds where it is JSON, each of these only if it differs. At most five, none longer than the text.
 */
export function readingsOf(text: string): string[] {
  const readings = [folded(text)];
  let latest = joined(readings[0] as string);
  if (latest !== readings[0]) readings.push(latest);
  for (let i = 0; i < maxUnescaped && hides.test(latest); i++) {
    latest = joined(folded(unescaped(latest)));
    readings.push(latest);
  }
  return readings;
}

/** With the blanks and dashes of ASCII. */
export const folded = (text: string): string =>
  isOdd(text) ? text.replace(blanks, ' ').replace(dashes, '-') : text;

const joined = (text: string): string => (isOdd(text) ? text.replace(invisible, '') : text);

const unescaped = (text: string): string =>
  text.replace(escapes, (_all, hex: string | undefined, sign: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    // For the scanner blanks are all the same.
    return /[a-z]/i.test(sign) ? ' ' : sign;
  });
