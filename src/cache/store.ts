/** What is known of an answer besides itself, to find it again for clearing. */
export interface EntryName {
  readonly tenant: string;
  /** Whose call brought it. */
  readonly owner: string;
  readonly model: string;
}

/** Which entries. Absent: any. */
export interface EntryFilter {
  readonly tenant?: string | undefined;
  readonly owner?: string | undefined;
  /** Whether a name as nameText makes it fits. */
  readonly fits?: ((name: string) => boolean) | undefined;
}

export interface StoreStatus {
  readonly entries: number;
  readonly bytes: number;
  /** Milliseconds; null when there is none. */
  readonly oldestMs: number | null;
  readonly newestMs: number | null;
  /** How often an entry was read; null when that is not known. */
  readonly averageUses: number | null;
}

/** Bounds of the whole. What comes in then puts out others. */
export interface CacheBounds {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/**
 * Where answers are kept. Losing some is no harm. A method that has to wait for nothing gives no promise.
 * All may fail with DEPENDENCY_UNAVAILABLE.
 */
export interface CacheStore {
  /** What was put under a key and has not expired; null for nothing. */
  get(key: string): Uint8Array | null | Promise<Uint8Array | null>;
  /** @param key 64 hexadecimal digits */
  put(key: string, value: Uint8Array, name: EntryName, ttlMs: number): void | Promise<void>;
  /** Deletes those that a filter fits. @returns how many */
  clear(filter: EntryFilter): Promise<number>;
  status(): Promise<StoreStatus>;
}

/** What patterns are compared with. */
export const nameText = ({ owner, model }: EntryName, key: string): string => `${owner}_${model}_${key}`;

export const fitsFilter = (filter: EntryFilter, name: EntryName, key: string): boolean =>
  (filter.tenant === undefined || filter.tenant === name.tenant) &&
  (filter.owner === undefined || filter.owner === name.owner) &&
  (filter.fits === undefined || filter.fits(nameText(name, key)));
