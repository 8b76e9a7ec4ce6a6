import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Memo, MemoStore } from './store.ts';

export interface SharedMemoryOptions {
  readonly store: MemoStore;
  /** What kind of memos these are; others do not see them. */
  readonly kind: string;
  /** How long one is kept after it was last written or read, in milliseconds. */
  readonly ttlMs: number;
}

/** Keys of which it is known that nobody has anything under them. */
const maxAbsent = 50_000;
/** Keys that are looked for at once; of more, the last ones are. */
const maxKeys = 512;

/**
 * What processes remember together, behind the memory that each has of its own. A store that is out of reach is as good as an empty one: calls go on
 * with what their own process knows.
 */
export class SharedMemory {
  readonly #options: SharedMemoryOptions;
  readonly #absent: LRUCache<string, true>;
  /** Memos of this turn of the event loop, which are written together. */
  #batch: { readonly memos: Memo[]; readonly written: Promise<void> } | null = null;

  constructor(options: SharedMemoryOptions) {
    this.#options = options;
    this.#absent = new LRUCache({ max: maxAbsent, ttl: options.ttlMs });
  }

  /** Resolves when the others can find it, or will not be able to. Never rejects. */
  keep(name: string, body: Uint8Array): Promise<void> {
    this.#absent.delete(name);
    const { store, ttlMs } = this.#options;
    if (this.#batch === null) {
      const memos: Memo[] = [];
      const written = Promise.resolve().then(() => {
        this.#batch = null;
        return store.write(memos, ttlMs).catch(() => {});
      });
      this.#batch = { memos, written };
    }
    this.#batch.memos.push({ key: this.#keyOf(name), body });
    return this.#batch.written;
  }

  /** There is nothing to be kept under this name: nobody needs to be asked for it. */
  nothing(name: string): void {
    this.#absent.set(name, true);
  }

  /** Those of the names that may be found. */
  possible(names: readonly string[]): string[] {
    return names.filter((name) => !this.#absent.has(name)).slice(-maxKeys);
  }

  /** Never rejects. */
  async find(names: readonly string[]): Promise<Map<string, Uint8Array>> {
    const { store, ttlMs } = this.#options;
    const found = new Map<string, Uint8Array>();
    try {
      const keys = names.map(this.#keyOf);
      const byKey = await store.read(keys, ttlMs);
      for (const [i, name] of names.entries()) {
        const body = byKey.get(keys[i] as string);
        // An answer's memos are written before its end is told: what is not there will not come.
        if (body === undefined) this.#absent.set(name, true);
        else found.set(name, body);
      }
    } catch {
      // It is asked again with the next call.
    }
    return found;
  }

  readonly #keyOf = (name: string): string => hash('sha256', `${this.#options.kind}\n${name}`, 'base64url');
}
