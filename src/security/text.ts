/** What of a string reading it needs; tests count with others than strings. */
export interface ReadableText {
  readonly length: number;
  charCodeAt(index: number): number;
  slice(start: number, end: number): string;
}

/** What a character is to the scanner. */
export const kinds = {
  /** Stands between words. */
  gap: 0,
  digit: 1,
  upper: 2,
  lower: 3,
  /** A letter of another alphabet. */
  letter: 4,
  /** A character that is a word by itself, in scripts without blanks. */
  sign: 5,
} as const;

const ascii = new Uint8Array(128);
for (let code = 48; code <= 57; code++) ascii[code] = kinds.digit;
for (let code = 65; code <= 90; code++) ascii[code] = kinds.upper;
for (let code = 97; code <= 122; code++) ascii[code] = kinds.lower;

/** @param code of UTF-16; halves of characters above that are letters */
export function kindOf(code: number): number {
  if (code < 128) return ascii[code] as number;
  if (code < 0xc0) return code === 0xaa || code === 0xb5 || code === 0xba ? kinds.letter : kinds.gap;
  if (code < 0x2000) {
    if (code === 0xd7 || code === 0xf7) return kinds.gap;
    // Thai, Lao, Myanmar, Khmer.
    return (code >= 0xe00 && code < 0xf00) ||
      (code >= 0x1000 && code < 0x10a0) ||
      (code >= 0x1780 && code < 0x1800)
      ? kinds.sign
      : kinds.letter;
  }
  // Punctuation, arrows, mathematics, boxes, dingbats.
  if (code < 0x2c00) return kinds.gap;
  // Punctuation again, then that of East Asia.
  if (code >= 0x2e00 && code < 0x2e80) return kinds.gap;
  if (code >= 0x3000 && code < 0x3040) return kinds.gap;
  if (code >= 0x2e80 && code < 0xa000) return kinds.sign;
  if (code >= 0xf900 && code < 0xfb00) return kinds.sign;
  // Full-width punctuation, and what nobody sees.
  if ((code >= 0xff00 && code < 0xff66) || code === 0xfeff) return kinds.gap;
  return kinds.letter;
}
