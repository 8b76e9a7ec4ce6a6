import { type Found, patterns } from './findings.ts';
import { isCardNumber, isIban, isSsn } from './numbers.ts';
import type { ReadableText } from './text.ts';
import type { Word } from './word.ts';

const blank = 0x20;
const noBreakBlanks = [0xa0, 0x202f];
const dash = 0x2d;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** How card numbers are written in groups, after the first of four. */
const cardGroups: readonly (readonly number[])[] = [
  [4, 4, 4, 4],
  [4, 4, 4, 4, 3],
  [4, 6, 5],
  [4, 6, 4],
];

/** Finds numbers of cards, bank accounts (IBAN) and social security (USA). */
export class NumberReader {
  /** Groups of digits so far that belong together, from the first one on. */
  readonly #groups: string[] = [];
  /** What is between them. */
  #between = 0;
  /** What the first of them may be: the end of something else is nothing. */
  #isOpen = false;
  #end = 0;

  begin(): void {
    this.#groups.length = 0;
    this.#end = 0;
  }

  word(text: ReadableText, word: Word, found: Found): void {
    const { start, end, gap, gapCode } = word;
    const length = end - start;
    const groups = this.#groups;
    const follows = start - gap === this.#end && gap === 1;
    this.#end = end;
    if (word.digits < length) {
      groups.length = 0;
      // The country's letters may be the last of a word that goes on.
      if (
        word.uppers > 1 &&
        word.lowers === 0 &&
        length >= 4 &&
        length <= 33 &&
        isIbanAt(text, start, length)
      )
        found(patterns.iban);
      return;
    }
    if (follows && groups.length > 0 && this.#goesOn(gapCode)) this.#between = gapCode;
    else {
      groups.length = 0;
      // Of a decimal number, a version, an id with other characters.
      this.#isOpen = !(
        follows &&
        (gapCode === 0x2e || gapCode === 0x2c || gapCode === dash || gapCode === 0x5f || gapCode === 0x2f)
      );
    }
    // Longer ones are no part of anything.
    groups.push(length > 19 ? '' : text.slice(start, end));
    if (groups.length > 5) groups.length = 5;
    else if (this.#isOpen && !goesOnAt(text, end)) this.#check(text, end, found);
  }

  #goesOn(gapCode: number): boolean {
    if (gapCode !== blank && gapCode !== dash && !noBreakBlanks.includes(gapCode)) return false;
    return this.#groups.length === 1 || gapCode === this.#between;
  }

  #check(text: ReadableText, end: number, found: Found): void {
    const groups = this.#groups;
    const [first = '', second = '', third = ''] = groups;
    if (groups.length === 1) {
      if (first.length >= 13 && isCardNumber(first)) found(patterns.card);
      return;
    }
    if (groups.length === 3 && this.#between === dash && isSsnForm(first, second, third)) {
      const next = text.charCodeAt(end);
      if (next !== dash && isSsn(first, second, third)) found(patterns.ssn);
    }
    for (const form of cardGroups) {
      if (form.length !== groups.length || !form.every((size, i) => groups[i]?.length === size)) continue;
      if (isCardNumber(groups.join(''))) found(patterns.card);
    }
  }
}

const isSsnForm = (area: string, group: string, serial: string): boolean =>
  area.length === 3 && group.length === 2 && serial.length === 4;

/** A number goes on after a point. */
const goesOnAt = (text: ReadableText, end: number): boolean =>
  text.charCodeAt(end) === 0x2e && isDigit(text.charCodeAt(end + 1));

/** Two capital letters and two digits: where an IBAN may begin. */
const isIbanAt = (text: ReadableText, start: number, length: number): boolean =>
  isDigit(text.charCodeAt(start + 2)) && isDigit(text.charCodeAt(start + 3)) && isIban(text, start, length);
