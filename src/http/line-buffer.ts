const LF = 10;
const CR = 13;

/**
 * Turns chunks of bytes into text, in whole lines only. Line ends are ASCII, so a cut inside a character, or
 * between two of them, can't change what is decoded. Each held byte is copied once (amortised), however small
 * the chunks are.
 */
export class LineBuffer {
  readonly #crEndsLine: boolean;
  #held = Buffer.alloc(0);
  #size = 0;

  /** @param crEndsLine whether `\r` alone ends a line, as it does in an event stream */
  constructor(crEndsLine: boolean) {
    this.#crEndsLine = crEndsLine;
  }

  /** Bytes of the unfinished line. */
  get size(): number {
    return this.#size;
  }

  /** The lines that `chunk` completes, with their line ends; `''` if it completes none. */
  push(chunk: Buffer): string {
    const end = this.#endOfLines(chunk);
    if (end === 0) {
      this.#hold(chunk);
      return '';
    }
    if (this.#size === 0) {
      if (end === chunk.length) return chunk.toString('utf8');
      this.#hold(chunk.subarray(end));
      return chunk.toString('utf8', 0, end);
    }
    this.#hold(chunk.subarray(0, end));
    const lines = this.end();
    if (end < chunk.length) this.#hold(chunk.subarray(end));
    return lines;
  }

  /** The unfinished line; the buffer is empty afterwards. */
  end(): string {
    const line = this.#held.toString('utf8', 0, this.#size);
    this.#size = 0;
    if (this.#held.length > 64 * 1024) this.#held = Buffer.alloc(0);
    return line;
  }

  #endOfLines(chunk: Buffer): number {
    const last = chunk.length - 1;
    if (chunk[last] === LF) return chunk.length;
    const lf = chunk.lastIndexOf(LF);
    return (this.#crEndsLine ? Math.max(lf, chunk.lastIndexOf(CR)) : lf) + 1;
  }

  #hold(bytes: Buffer): void {
    const size = this.#size + bytes.length;
    if (size > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#held.length, 1024));
      this.#held.copy(larger, 0, 0, this.#size);
      this.#held = larger;
    }
    bytes.copy(this.#held, this.#size);
    this.#size = size;
  }
}
