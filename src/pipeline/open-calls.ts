/** The calls under way, so that all can be ended at once. */
export class OpenCalls {
  readonly #open = new Set<(reason: unknown) => void>();

  /** @param abort ends the call @returns what takes it out again */
  add(abort: (reason: unknown) => void): () => void {
    this.#open.add(abort);
    return () => void this.#open.delete(abort);
  }

  abortAll(reason: unknown): void {
    for (const abort of this.#open) abort(reason);
  }
}
