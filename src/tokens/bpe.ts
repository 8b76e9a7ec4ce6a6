/** Longest piece that is merged as a whole, in characters. */
const maxPiece = 128;
const maxPieceBytes = maxPiece * 3;
const none = 0x7fff_ffff;

/** A token's text, or its bytes where these are no text by themselves. Its place in the list is its rank. */
export type TokenTable = readonly (string | readonly number[] | undefined)[];

/**
 * Counts the tokens of byte-pair encodings. It is written for counting only: nothing is kept of a text, and the time grows with its
 * length alone. Keys are bytes as Latin-1 strings.
 */
export class BpeCounter {
  readonly #ranks = new Map<string, number>();
  /** Ranks of all pairs of bytes: with them every piece begins. */
  readonly #pairs = new Int32Array(65_536).fill(none);
  readonly #pattern: RegExp;
  // Of the piece at hand: where its parts begin, and the rank of each with its next.
  readonly #starts = new Int32Array(maxPieceBytes + 1);
  readonly #merged = new Int32Array(maxPieceBytes + 1);

  /** @param pattern finds the pieces that tokens never cross */
  constructor(tokens: TokenTable, pattern: RegExp) {
    this.#pattern = new RegExp(pattern.source, 'gu');
    tokens.forEach((token, rank) => {
      if (token === undefined) return;
      const key = typeof token === 'string' ? bytesOf(token) : Buffer.from(token).toString('latin1');
      this.#ranks.set(key, rank);
      if (key.length === 2) this.#pairs[(key.charCodeAt(0) << 8) | key.charCodeAt(1)] = rank;
    });
  }

  count(text: string): number {
    const pattern = this.#pattern;
    let tokens = 0;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      tokens += this.#countPiece(match[0]);
    }
    return tokens;
  }

  #countPiece(piece: string): number {
    if (piece.length <= maxPiece) return this.#countBytes(bytesOf(piece));
    // No word: merging takes time by the square of the length, and a cut costs a token at most.
    let tokens = 0;
    for (let begin = 0; begin < piece.length; ) {
      let end = Math.min(begin + maxPiece, piece.length);
      if (end < piece.length && isSecondHalf(piece.charCodeAt(end))) end--;
      tokens += this.#countBytes(bytesOf(piece.slice(begin, end)));
      begin = end;
    }
    return tokens;
  }

  /** Merges the neighbours of the lowest rank until there are none. */
  #countBytes(bytes: string): number {
    if (bytes.length < 2 || this.#ranks.has(bytes)) return 1;
    const starts = this.#starts;
    const merged = this.#merged;
    let parts = bytes.length;
    for (let i = 0; i < parts; i++) {
      starts[i] = i;
      merged[i] =
        i + 1 < parts ? (this.#pairs[(bytes.charCodeAt(i) << 8) | bytes.charCodeAt(i + 1)] as number) : none;
    }
    starts[parts] = parts;
    for (;;) {
      let lowest = none;
      let at = -1;
      for (let i = 0; i < parts - 1; i++) {
        if ((merged[i] as number) < lowest) {
          lowest = merged[i] as number;
          at = i;
        }
      }
      if (at < 0) return parts;
      starts.copyWithin(at + 1, at + 2, parts + 1);
      merged.copyWithin(at + 1, at + 2, parts);
      parts--;
      merged[at] = this.#rankAt(bytes, at, parts);
      if (at > 0) merged[at - 1] = this.#rankAt(bytes, at - 1, parts);
    }
  }

  /** Rank of a part together with its next. */
  #rankAt(bytes: string, part: number, parts: number): number {
    if (part + 2 > parts) return none;
    const starts = this.#starts;
    return this.#ranks.get(bytes.slice(starts[part], starts[part + 2])) ?? none;
  }
}

const isSecondHalf = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** The bytes of a text in UTF-8, as a Latin-1 string. */
function bytesOf(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}
