import type { Found } from './findings.ts';
import type { PhraseNode } from './lexicon.ts';
import type { Word } from './word.ts';

/** Characters between two words of a phrase, at most. */
const maxGap = 3;

/** Finds keywords of one or more words. The longest one counts: in "social security number" there is no "social security". */
export class PhraseReader {
  readonly #root: PhraseNode;
  /** Ids of words that may be the beginning of a phrase; no more than a phrase has. */
  #pending: number[] = [];

  constructor(root: PhraseNode) {
    this.#root = root;
  }

  begin(): void {
    this.#pending.length = 0;
  }

  word({ known, gap, soft }: Pick<Word, 'known' | 'gap' | 'soft'>, found: Found): void {
    const pending = this.#pending;
    if (known === null) {
      if (pending.length > 0) this.end(found);
      return;
    }
    if (pending.length > 0 && (!soft || gap > maxGap)) this.end(found);
    pending.push(known.id);
    this.#settle(found, false);
  }

  end(found: Found): void {
    this.#settle(found, true);
  }

  #settle(found: Found, isEnd: boolean): void {
    const pending = this.#pending;
    while (pending.length > 0) {
      let node: PhraseNode | undefined = this.#root;
      let best: PhraseNode['finding'] = null;
      let words = 1;
      for (let i = 0; i < pending.length; i++) {
        node = node.next.get(pending[i] as number);
        if (node === undefined) break;
        if (node.finding !== null) {
          best = node.finding;
          words = i + 1;
        }
      }
      if (!isEnd && node !== undefined && node.next.size > 0) return;
      if (best !== null) found(best);
      pending.splice(0, words);
    }
  }
}
