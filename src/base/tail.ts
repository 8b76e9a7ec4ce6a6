/** The end of a text that comes in pieces and may have no end: what a process says on its standard error. */
export class Tail {
  readonly #most: number;
  #chunks: Buffer[] = [];
  #size = 0;

  /** @param most bytes that are kept */
  constructor(most: number) {
    this.#most = most;
  }

  add(chunk: Buffer): void {
    const piece = chunk.length > this.#most ? Buffer.from(chunk.subarray(-this.#most)) : chunk;
    this.#chunks.push(piece);
    this.#size += piece.length;
    while (this.#size - (this.#chunks[0]?.length ?? 0) >= this.#most)
      this.#size -= this.#chunks.shift()?.length ?? 0;
    // A flood of tiny pieces would be many small buffers.
    if (this.#chunks.length > 256) this.#chunks = [Buffer.concat(this.#chunks)];
  }

  get text(): string {
    return Buffer.concat(this.#chunks).subarray(-this.#most).toString('utf8').trim();
  }
}
