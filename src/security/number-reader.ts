import { type Found, patterns } from './findings.ts';
import type { Lexicon } from './lexicon.ts';
import { isCardNumber, isIban, isSsn } from './numbers.ts';
import type { ReadableText } from './text.ts';
import type { Word } from './word.ts';

const blank = 0x20;
const comma = 0x2c;
const dash = 0x2d;
const dot = 0x2e;
const slash = 0x2f;
const underscore = 0x5f;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;
/** What may be between the groups of a number. */
const isBetween = (code: number): boolean => code === blank || code === dash || code === dot;

/** How card numbers are written in groups, the longest last. */
const cardGroups: readonly (readonly number[])[] = [
  [4, 6, 4],
  [4, 6, 5],
  [4, 4, 4, 4],
  [4, 4, 4, 4, 3],
];
const mostGroups = 5;
/** As many, and two that tell of a row of numbers. */
const keptGroups = mostGroups + 2;
/** Characters between "ssn" and a number that is one by that word only. */
const maxAfterName = 40;

/** Finds numbers of cards, bank accounts (IBAN) and social security (USA). */
export class NumberReader {
  readonly #ssn: number;
  readonly #social: number;
  readonly #security: number;
  /** The latest groups of digits that stand in one row, and what is before each; before the first, 0 where a number may begin. */
  readonly #groups: string[] = [];
  readonly #before: number[] = [];
  /** The first of them hangs on a word: `card_4111`. */
  #hangs = false;
  /** What the word before was. */
  #hadLetters = false;
  #hadDigits = false;
  #id = 0;
  #end = 0;
  /** Where "ssn" or "social security" ended. */
  #named = Number.NEGATIVE_INFINITY;

  constructor(lexicon: Lexicon) {
    this.#ssn = lexicon.idOf('ssn');
    this.#social = lexicon.idOf('social');
    this.#security = lexicon.idOf('security');
  }

  begin(): void {
    this.#clear();
    this.#hadLetters = false;
    this.#hadDigits = false;
    this.#id = 0;
    this.#end = 0;
    this.#named = Number.NEGATIVE_INFINITY;
  }

  word(text: ReadableText, word: Word, found: Found): void {
    const { start, end, gap, gapCode, digits, known } = word;
    const length = end - start;
    const groups = this.#groups;
    const follows = gap === 1 && start - gap === this.#end;
    this.#end = end;
    if (digits < length) {
      this.#clear();
      this.#hadLetters = digits === 0;
      this.#hadDigits = digits > 0;
      const id = known?.id ?? 0;
      if (id !== 0 && (id === this.#ssn || (id === this.#security && this.#id === this.#social)))
        this.#named = end;
      this.#id = id;
      // The country's letters may be the last of a word that goes on.
      if (digits > 1 && length >= 4 && length <= 33 && isIbanAt(text, word)) found(patterns.iban);
      return;
    }
    if (follows && groups.length > 0 && isBetween(gapCode)) this.#before.push(gapCode);
    else {
      const before = follows ? this.#closing(text, gapCode, end) : 0;
      this.#clear();
      this.#before.push(before);
      this.#hangs = follows && this.#hadLetters && (gapCode === dash || gapCode === underscore);
    }
    this.#hadLetters = false;
    this.#hadDigits = true;
    this.#id = 0;
    // Longer ones are no part of anything.
    groups.push(length > 19 ? '' : text.slice(start, end));
    if (groups.length > keptGroups) {
      groups.shift();
      this.#before.shift();
    }
    // A number goes on after a point.
    if (text.charCodeAt(end) === dot && isDigit(text.charCodeAt(end + 1))) return;
    this.#checkAll(text, end, found);
  }

  #clear(): void {
    this.#groups.length = 0;
    this.#before.length = 0;
    this.#hangs = false;
  }

  /** What makes of digits the end of something else: a decimal number, a version, an id with other characters. 0 where nothing does. */
  #closing(text: ReadableText, gapCode: number, end: number): number {
    if (gapCode === dot || gapCode === slash) return gapCode;
    if (gapCode === dash || gapCode === underscore) return this.#hadLetters ? 0 : gapCode;
    if (gapCode !== comma || !this.#hadDigits) return 0;
    // `0,25` is a decimal number, `0,25,` a row of a table.
    return this.#groups.length === 1 && this.#groups[0] === '0' && text.charCodeAt(end) !== comma ? comma : 0;
  }

  /** Looks at the latest groups: the last of them, the last two and so on. */
  #checkAll(text: ReadableText, end: number, found: Found): void {
    const groups = this.#groups;
    const before = this.#before;
    const last = groups.length - 1;
    const between = before[last] as number;
    for (let from = last; from >= 0 && last - from < mostGroups; from--) {
      if (from < last && before[from + 1] !== between) return;
      // In a row a blank comes before a number, and what is between its own groups is no end.
      const isOpen = from === 0 ? before[0] === 0 : before[from] === blank;
      if (isOpen) this.#check(text, from, end, found);
    }
  }

  #check(text: ReadableText, from: number, end: number, found: Found): void {
    const groups = this.#groups;
    const count = groups.length - from;
    const [first, second, third] = [groups[from] as string, groups[from + 1], groups[from + 2]];
    const isNamed = end - this.#named <= maxAfterName;
    if (count === 1) {
      if (first.length >= 13 && isCardNumber(first)) found(patterns.card);
      else if (first.length === 9 && isNamed && text.charCodeAt(end) !== dash) {
        if (isSsn(first.slice(0, 3), first.slice(3, 5), first.slice(5))) found(patterns.ssn);
      }
      return;
    }
    const between = this.#before[groups.length - 1];
    if (count === 3 && first.length === 3 && second?.length === 2 && third?.length === 4) {
      // What hangs on a word, or is in groups with blanks, may be anything.
      const isClear = between === dash && !(from === 0 && this.#hangs);
      if ((isClear || (isNamed && between !== dot)) && text.charCodeAt(end) !== dash) {
        if (isSsn(first, second, third)) found(patterns.ssn);
      }
    }
    for (const form of cardGroups) {
      if (form.length !== count || !form.every((size, i) => groups[from + i]?.length === size)) continue;
      if (!this.#isInRow(text, from, end) && isCardNumber(groups.slice(from).join(''))) found(patterns.card);
    }
  }

  /** Numbers of four digits with blanks between them, more than a card has: one in forty of their fours would be a card by chance. */
  #isInRow(text: ReadableText, from: number, end: number): boolean {
    if (this.#before[this.#before.length - 1] !== blank) return false;
    if (from === 0 || this.#groups[from - 1]?.length !== 4) return false;
    if (from > 1 && this.#groups[from - 2]?.length === 4 && this.#before[from - 1] === blank) return true;
    return text.charCodeAt(end) === blank && isDigit(text.charCodeAt(end + 1));
  }
}

/** Two letters and two digits, where an IBAN may begin: in capital letters or small ones. */
const isIbanAt = (text: ReadableText, { start, end, uppers, lowers }: Word): boolean =>
  (uppers === 0 || lowers === 0) &&
  isDigit(text.charCodeAt(start + 2)) &&
  isDigit(text.charCodeAt(start + 3)) &&
  isIban(text, start, end - start);
