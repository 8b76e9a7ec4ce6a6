/** What {@link KeyedSlots} keep. */
export interface Keyed<T> {
  /** Its end tells it apart from others' for the most part: keys that end alike are found slowly. */
  readonly key: string;
  /** Where it is; not to be touched by others. */
  chain: number;
  /** Not to be touched by others; null to begin with. */
  next: T | null;
}

/** Chains by which keys are looked up, a power of two: so many entries are found as fast as one. */
const chainCount = 1_024;
/** Characters at the end of a key that say in which chain it is. */
const told = 4;

/** What Slots are for things that are found by a key: a map that never makes itself anew, and makes nothing for its entries. */
export class KeyedSlots<T extends Keyed<T>> {
  readonly #chains = new Array<T | null>(chainCount).fill(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    let entry = this.#chains[chainOf(key)] as T | null;
    while (entry !== null && entry.key !== key) entry = entry.next;
    return entry ?? undefined;
  }

  /** Its key must not be in yet. */
  add(entry: T): void {
    entry.chain = chainOf(entry.key);
    entry.next = this.#chains[entry.chain] as T | null;
    this.#chains[entry.chain] = entry;
    this.#size++;
  }

  /** @returns whether it was in */
  delete(entry: T): boolean {
    const { chain } = entry;
    let before: T | null = null;
    let at = this.#chains[chain] as T | null;
    while (at !== null && at !== entry) {
      before = at;
      at = at.next;
    }
    if (at === null) return false;
    if (before === null) this.#chains[chain] = at.next;
    else before.next = at.next;
    at.next = null;
    this.#size--;
    return true;
  }

  /** Those that are in now, in no order. */
  entries(): T[] {
    const all: T[] = [];
    for (let entry of this.#chains) {
      for (; entry !== null; entry = entry.next) all.push(entry);
    }
    return all;
  }
}

function chainOf(key: string): number {
  let sum = 0;
  for (let i = Math.max(0, key.length - told); i < key.length; i++) {
    sum = (sum * 31 + key.charCodeAt(i)) | 0;
  }
  return sum & (chainCount - 1);
}
