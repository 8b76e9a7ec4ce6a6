import { UpstreamError } from './errors.ts';
import { LineBuffer } from './line-buffer.ts';

/** Reads newline-delimited JSON from bytes, whatever the cuts between them. Lines end with `\n` or `\r\n`. */
export class NdjsonReader {
  readonly #maxLineBytes: number;
  readonly #lines = new LineBuffer(false);
  #start = true;

  /** @param maxLineBytes bound of one line; default 16 MiB */
  constructor(maxLineBytes: number = 16 * 1024 * 1024) {
    this.#maxLineBytes = maxLineBytes;
  }

  /**
   * Takes the next bytes and appends the lines they complete to `out`, unparsed, without blank ones.
   * @throws UpstreamError `too_large` when a line exceeds its bound; the reader can't be used afterwards
   */
  push(chunk: Buffer, out: string[]): void {
    this.#split(this.#lines.push(chunk), out);
    if (this.#lines.size > this.#maxLineBytes) {
      throw new UpstreamError('too_large', 'body', `a line is larger than ${this.#maxLineBytes} bytes`);
    }
  }

  /** Takes the end of the stream; appends the last line if it has no line end. */
  end(out: string[]): void {
    this.#split(this.#lines.end(), out);
  }

  #split(text: string, out: string[]): void {
    if (text === '') return;
    let at = this.#start && text.charCodeAt(0) === 0xfeff ? 1 : 0;
    this.#start = false;
    while (at < text.length) {
      const lf = text.indexOf('\n', at);
      const end = lf === -1 ? text.length : lf;
      const line = text.slice(at, text.charCodeAt(end - 1) === 13 ? end - 1 : end);
      if (line.trim() !== '') out.push(line);
      at = end + 1;
    }
  }
}
