/** What {@link Slots} keep. */
export interface Slotted {
  /** Where they keep it; -1, and to begin with, for nowhere. Not to be touched by others. */
  slot: number;
}

/**
 * A set of things that come and go with every request: an array whose entries know their places. A Set makes itself anew after so many changes, in the old
 * generation of the heap, and what has left it stays in memory with each of its former selves until all garbage is collected, and whatever hangs on it.
 */
export class Slots<T extends Slotted> {
  readonly #entries: T[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The entry must not be in any Slots yet. */
  add(entry: T): void {
    entry.slot = this.#entries.length;
    this.#entries.push(entry);
  }

  /** @returns whether it was in */
  delete(entry: T): boolean {
    const { slot } = entry;
    if (slot === -1) return false;
    entry.slot = -1;
    const last = this.#entries.pop() as T;
    if (last === entry) return true;
    this.#entries[slot] = last;
    last.slot = slot;
    return true;
  }

  /** Those that are in now, in no order. */
  entries(): T[] {
    return [...this.#entries];
  }

  filter(isWanted: (entry: T) => boolean): T[] {
    return this.#entries.filter(isWanted);
  }

  /** The least of something over all; Infinity without entries. */
  least(of: (entry: T) => number): number {
    let least = Infinity;
    for (const entry of this.#entries) least = Math.min(least, of(entry));
    return least;
  }
}
