import type { KnownWord } from './lexicon.ts';

/** A word of a text, as the scanner comes to it: letters and digits without anything between them. */
export interface Word {
  start: number;
  end: number;
  /** How many of its characters are digits, capital letters, small letters. */
  digits: number;
  uppers: number;
  lowers: number;
  /** It has no others than these. */
  plain: boolean;
  /** Characters between it and the word before it. */
  gap: number;
  /** The last of them. */
  gapCode: number;
  /** They are all `-` and `_`: with these, it goes on what was before. */
  joined: boolean;
  /** They are blanks, `-` and `_`: words of a phrase may have these between them. */
  soft: boolean;
  known: KnownWord | null;
}
