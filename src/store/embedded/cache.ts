import { LRUCache } from 'lru-cache';
import {
  type CacheBounds,
  type CacheStore,
  type EntryFilter,
  type EntryName,
  fitsFilter,
  type StoreStatus,
} from '../../cache/store.ts';

interface Entry {
  readonly value: Uint8Array;
  readonly name: EntryName;
  readonly putAt: number;
  readonly expiresAt: number;
  uses: number;
}

/** What an entry takes besides its value, about, in bytes. */
const overheadBytes = 500;

/**
 * Answers in this process's memory, the longest unused put out first. They need not outlive it, and a file would cost more time than it
 * saves.
 */
export class EmbeddedCache implements CacheStore {
  readonly #entries: LRUCache<string, Entry>;
  readonly #now: () => number;

  /** @param now milliseconds on any clock that only goes forward */
  constructor({ maxEntries, maxBytes }: CacheBounds, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: ({ value }) => value.length + overheadBytes,
    });
  }

  get(key: string): Uint8Array | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (entry.expiresAt <= this.#now()) {
      this.#entries.delete(key);
      return null;
    }
    entry.uses++;
    return entry.value;
  }

  put(key: string, value: Uint8Array, name: EntryName, ttl: number): void {
    const putAt = this.#now();
    this.#entries.set(key, { value, name, putAt, expiresAt: putAt + ttl, uses: 0 });
  }

  async clear(filter: EntryFilter): Promise<number> {
    this.sweep();
    let cleared = 0;
    for (const [key, { name }] of [...this.#entries.entries()]) {
      if (fitsFilter(filter, name, key) && this.#entries.delete(key)) cleared++;
    }
    return cleared;
  }

  async status(): Promise<StoreStatus> {
    this.sweep();
    const now = this.#now();
    let [bytes, uses, oldestMs, newestMs] = [0, 0, 0, Number.POSITIVE_INFINITY];
    for (const entry of this.#entries.values()) {
      bytes += entry.value.length;
      uses += entry.uses;
      oldestMs = Math.max(oldestMs, now - entry.putAt);
      newestMs = Math.min(newestMs, now - entry.putAt);
    }
    const { size: entries } = this.#entries;
    if (entries === 0) return { entries, bytes, oldestMs: null, newestMs: null, averageUses: 0 };
    return { entries, bytes, oldestMs, newestMs, averageUses: uses / entries };
  }

  /** Clears away what has expired. */
  sweep(): void {
    const now = this.#now();
    for (const [key, { expiresAt }] of [...this.#entries.entries()]) {
      if (expiresAt <= now) this.#entries.delete(key);
    }
  }
}
