import type { Finding } from './findings.ts';
import { type KeyForm, keyForms } from './key-forms.ts';
import { folded } from './readings.ts';
import { kindOf, kinds } from './text.ts';

/** A word that means something to the scanner. */
export interface KnownWord {
  /** In lower case. */
  readonly word: string;
  /** By which phrases know it; its plural has the same. */
  readonly id: number;
  /** Forms of keys that begin with it, written exactly so. */
  readonly forms: KeyForm[];
}

/** Where a phrase can go on. */
export interface PhraseNode {
  readonly next: Map<number, PhraseNode>;
  finding: Finding | null;
}

/** Words of one phrase at most. */
const maxWords = 8;

/** Words that are looked for besides keywords: see KeyReader and Screening. */
export const codeWords = ['import', 'function', 'class'] as const;
const otherWords = [
  ...codeWords,
  'access',
  'secretaccesskey',
  'accountkey',
  'sharedaccesskey',
  'hooks',
  'social',
  'security',
];

/** What is looked for, made once for a configuration. */
export class Lexicon {
  readonly root: PhraseNode = { next: new Map(), finding: null };
  readonly longest: number;
  readonly #byHash = new Map<number, KnownWord[]>();
  readonly #ids = new Map<string, number>();

  constructor(keywords: readonly Finding[]) {
    let longest = 0;
    const add = (word: string, id: number, form: KeyForm | null): void => {
      const hash = hashOf(word);
      const known = this.#byHash.get(hash) ?? [];
      this.#byHash.set(hash, known);
      const same = known.find((one) => one.word === word);
      const forms = same?.forms ?? [];
      if (form !== null) forms.push(form);
      if (same === undefined) known.push({ word, id, forms });
      longest = Math.max(longest, word.length);
    };
    for (const finding of keywords) {
      let node = this.root;
      for (const word of wordsOf(finding.name).slice(0, maxWords)) {
        const id = this.idOf(word);
        add(word, id, null);
        // Short words have other meanings in the plural: the keys of an object, the pins of a chip.
        if (/^[a-z]{4,}[a-rt-z]$/.test(word)) add(`${word}s`, id, null);
        let next = node.next.get(id);
        if (next === undefined) {
          next = { next: new Map(), finding: null };
          node.next.set(id, next);
        }
        node = next;
      }
      if (node !== this.root) node.finding ??= finding;
    }
    for (const word of otherWords) add(word, this.idOf(word), null);
    for (const form of keyForms) add(form.word.toLowerCase(), this.idOf(form.word.toLowerCase()), form);
    this.longest = longest;
  }

  /** The number of a word; the same for the same word. From 1 on. */
  idOf(word: string): number {
    const known = this.#ids.get(word);
    if (known !== undefined) return known;
    this.#ids.set(word, this.#ids.size + 1);
    return this.#ids.size;
  }

  /** Words of a hash. */
  find(hash: number): readonly KnownWord[] | undefined {
    return this.#byHash.get(hash);
  }
}

/** The hash of a word, one character after another. */
export const hashStep = (hash: number, code: number): number => (Math.imul(hash, 31) + code) | 0;

function hashOf(word: string): number {
  let hash = 0;
  for (let i = 0; i < word.length; i++) hash = hashStep(hash, word.charCodeAt(i));
  return hash;
}

/** The words of a keyword, as the scanner will come to them. */
export function wordsOf(keyword: string): string[] {
  const text = folded(keyword);
  const words: string[] = [];
  let word = '';
  const end = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (let i = 0; i < text.length; i++) {
    const kind = kindOf(text.charCodeAt(i));
    if (kind === kinds.gap || kind === kinds.sign) end();
    if (kind !== kinds.gap) word += text[i];
    if (kind === kinds.sign) end();
  }
  end();
  return words;
}
