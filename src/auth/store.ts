import type { ApiKey } from './api-key.ts';

/** A key, and when it was last used: milliseconds since 1970, 0 for never. */
export interface StoredKey {
  readonly key: ApiKey;
  readonly usedMs: number;
}

export interface KeyPage {
  readonly keys: readonly StoredKey[];
  /** Id to go on after; '' at the end. */
  readonly next: string;
}

/**
 * Keeps keys of clients. Each method is one decision that happens wholly or not at all, and is seen by every gateway at once; all of them
 * reject with a GatewayError DEPENDENCY_UNAVAILABLE when the store is out of reach, in which case it is not known whether it happened.
 */
export interface KeyStore {
  /** `taken`: there is one of that id or hash. `full`: there are `most` already. */
  create(key: ApiKey, most: number): Promise<'created' | 'taken' | 'full'>;
  find(hash: string): Promise<ApiKey | null>;
  read(id: string): Promise<StoredKey | null>;
  /** Newest first: by id, which says when. @param after '' for the first page */
  list(limit: number, after: string): Promise<KeyPage>;
  /** Puts a key in the place of the one before it. `changed`: that is not the one before it any more. */
  replace(key: ApiKey): Promise<'done' | 'gone' | 'changed'>;
  /** False when there is none. */
  remove(id: string): Promise<boolean>;
  /** Notes when keys were used; of two times the later one stays. What is not there is passed over. */
  used(times: ReadonlyMap<string, number>): Promise<void>;
}
