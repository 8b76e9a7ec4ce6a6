import { type Found, patterns } from './findings.ts';
import { KeyReader } from './key-reader.ts';
import { hashStep, type KnownWord, type Lexicon } from './lexicon.ts';
import { NumberReader } from './number-reader.ts';
import { PhraseReader } from './phrase-reader.ts';
import { hasEmail, hasPrivateKey, hasUrlPassword, isAssigned } from './places.ts';
import { kindOf, kinds, type ReadableText } from './text.ts';
import type { Word } from './word.ts';

const backslash = 0x5c;
const at = 0x40;
const dash = 0x2d;
const colon = 0x3a;
const underscore = 0x5f;
/** What stands for a blank after a backslash, as JSON writes them: b, f, n, r, t. */
const isBlankEscape = (code: number): boolean =>
  code === 0x62 || code === 0x66 || code === 0x6e || code === 0x72 || code === 0x74;
const isHex = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102);

/**
 * Finds sensitive words and what has the form of a secret, in one pass. No regular expressions: whatever stands in a text, each character is looked
 * at a bounded number of times.
 */
export class Scanner {
  readonly #lexicon: Lexicon;
  readonly #phrases: PhraseReader;
  readonly #keys: KeyReader;
  readonly #numbers: NumberReader;
  readonly #word: Word = {
    start: 0,
    end: 0,
    digits: 0,
    uppers: 0,
    lowers: 0,
    plain: true,
    gap: 0,
    gapCode: 0,
    joined: false,
    soft: true,
    known: null,
  };

  constructor(lexicon: Lexicon) {
    this.#lexicon = lexicon;
    this.#phrases = new PhraseReader(lexicon.root);
    this.#keys = new KeyReader(lexicon);
    this.#numbers = new NumberReader(lexicon);
  }

  /**
   * @param words whether keywords are looked for, too
   * @param onWord told of every known word
   */
  read(text: ReadableText, words: boolean, found: Found, onWord?: (word: KnownWord) => void): void {
    const phrases = this.#phrases;
    const keys = this.#keys;
    const numbers = this.#numbers;
    const word = this.#word;
    phrases.begin();
    keys.begin();
    numbers.begin();
    word.end = 0;
    const { length } = text;
    let i = 0;
    while (i < length) {
      // What stands between two words.
      word.gap = 0;
      word.joined = i > 0;
      word.soft = true;
      let code = 0;
      let kind = 0;
      for (; i < length; i++) {
        code = text.charCodeAt(i);
        kind = kindOf(code);
        if (kind !== kinds.gap) break;
        word.gap++;
        word.gapCode = code;
        if (code === dash || code === underscore) {
          if (code === dash && hasPrivateKey(text, i)) found(patterns.privateKey);
          continue;
        }
        word.joined = false;
        if (code === at) {
          if (hasEmail(text, i)) found(patterns.email);
        } else if (code === colon && hasUrlPassword(text, i)) found(patterns.urlPassword);
        if (code === backslash) i += escaped(text, i);
        else if (code > 0x20 && code !== 0xa0) word.soft = false;
      }
      if (i >= length) break;
      i = this.#readWord(text, i, kind);
      if (word.known !== null) onWord?.(word.known);
      if (words) {
        if (isCamelCase(word) && isAssigned(text, i)) this.#readHumps(text, word, found);
        else phrases.word(word, found);
      }
      if (word.plain) {
        keys.word(text, word, found);
        numbers.word(text, word, found);
      }
    }
    if (words) phrases.end(found);
  }

  /** @returns where it ends */
  #readWord(text: ReadableText, start: number, first: number): number {
    const word = this.#word;
    const { length } = text;
    let digits = 0;
    let uppers = 0;
    let lowers = 0;
    let hash = 0;
    let i = start;
    let plain = true;
    if (first === kinds.sign) {
      plain = false;
      hash = hashStep(0, text.charCodeAt(i++));
    } else {
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        const kind = kindOf(code);
        if (kind === kinds.lower) lowers++;
        else if (kind === kinds.digit) digits++;
        else if (kind === kinds.upper) {
          uppers++;
          hash = hashStep(hash, code | 0x20);
          continue;
        } else if (kind === kinds.letter) plain = false;
        else break;
        hash = hashStep(hash, code);
      }
    }
    word.start = start;
    word.end = i;
    word.digits = digits;
    word.uppers = uppers;
    word.lowers = lowers;
    word.plain = plain;
    word.known = this.#know(text, start, i, hash, plain);
    return i;
  }

  /** Words that are written as one: `dbPassword`. */
  #readHumps(text: ReadableText, { start, end, gap, soft }: Word, found: Found): void {
    let from = start;
    let hash = 0;
    for (let i = start; i < end; i++) {
      hash = hashStep(hash, text.charCodeAt(i) | (kindOf(text.charCodeAt(i)) === kinds.upper ? 0x20 : 0));
      if (i + 1 < end && !isHump(text, i + 1, end)) continue;
      const known = this.#know(text, from, i + 1, hash, true);
      this.#phrases.word(from === start ? { known, gap, soft } : { known, gap: 0, soft: true }, found);
      from = i + 1;
      hash = 0;
    }
  }

  #know(text: ReadableText, start: number, end: number, hash: number, plain: boolean): KnownWord | null {
    // Decomposed letters take two characters and more.
    if (end - start > this.#lexicon.longest * (plain ? 1 : 3)) return null;
    let known = this.#lexicon.find(hash);
    if (plain && known === undefined) return null;
    let word = text.slice(start, end).toLowerCase();
    if (!plain) {
      word = word.normalize('NFC');
      let own = 0;
      for (let i = 0; i < word.length; i++) own = hashStep(own, word.charCodeAt(i));
      known = this.#lexicon.find(own);
    }
    if (known !== undefined) for (const one of known) if (one.word === word) return one;
    return null;
  }
}

/** Longer words are nobody's names. */
const maxName = 64;

const isCamelCase = ({ start, end, uppers, lowers, plain, known }: Word): boolean =>
  plain && uppers > 0 && lowers > 0 && known === null && end - start <= maxName;

/** Whether a word begins with a capital letter within another one: after a small letter or digit, or as the last of several. */
function isHump(text: ReadableText, at: number, end: number): boolean {
  if (kindOf(text.charCodeAt(at)) !== kinds.upper) return false;
  if (kindOf(text.charCodeAt(at - 1)) !== kinds.upper) return true;
  return at + 1 < end && kindOf(text.charCodeAt(at + 1)) === kinds.lower;
}

/** How many characters after a backslash belong to it. */
function escaped(text: ReadableText, at: number): number {
  const code = text.charCodeAt(at + 1);
  if (isBlankEscape(code)) return 1;
  if (code !== 0x75) return 0;
  for (let i = 2; i < 6; i++) if (!isHex(text.charCodeAt(at + i))) return 0;
  return 5;
}
