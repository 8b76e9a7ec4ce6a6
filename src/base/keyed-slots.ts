/** What {@link KeyedSlots} keep. */
export interface Keyed {
  /** Its end tells it apart from others' for the most part: keys that end alike are found slowly. */
  readonly key: string;
}

/** Lists by which keys are looked up, a power of two: so many entries are found as fast as one. */
const listCount = 1_024;
/** Characters at the end of a key that say in which list it is. */
const told = 8;

/** What {@link Slots} are for things that are found by a key: a map that never makes itself anew. */
export class KeyedSlots<T extends Keyed> {
  readonly #lists: T[][] = Array.from({ length: listCount }, () => []);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    const list = this.#listOf(key);
    for (let i = 0; i < list.length; i++) {
      const entry = list[i] as T;
      if (entry.key === key) return entry;
    }
    return undefined;
  }

  /** Its key must not be in yet. */
  add(entry: T): void {
    this.#listOf(entry.key).push(entry);
    this.#size++;
  }

  /** @returns whether it was in */
  delete(entry: T): boolean {
    const list = this.#listOf(entry.key);
    const at = list.indexOf(entry);
    if (at === -1) return false;
    const last = list.pop() as T;
    if (last !== entry) list[at] = last;
    this.#size--;
    return true;
  }

  /** Those that are in now, in no order. */
  entries(): T[] {
    return this.#lists.flat();
  }

  #listOf(key: string): T[] {
    let sum = 0;
    for (let i = Math.max(0, key.length - told); i < key.length; i++) {
      sum = (sum * 31 + key.charCodeAt(i)) | 0;
    }
    return this.#lists[sum & (listCount - 1)] as T[];
  }
}
