import { NdjsonReader } from '../http/ndjson-reader.ts';
import type { Framing } from './framed-event-stream.ts';

/** The lines of newline-delimited JSON. */
export class NdjsonFraming implements Framing<string> {
  readonly #reader = new NdjsonReader();

  push(bytes: Buffer, out: string[]): void {
    this.#reader.push(bytes, out);
  }

  end(out: string[]): boolean {
    const before = out.length;
    this.#reader.end(out);
    // What comes with the end had no line end.
    return out.length > before;
  }
}
