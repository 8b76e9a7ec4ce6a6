import { LRUCache } from 'lru-cache';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { type ApiKey, principalOfKey } from './api-key.ts';
import type { Principal } from './principal.ts';
import { sameHash } from './secret-form.ts';
import type { KeyStore } from './store.ts';

export interface KnownKeysOptions {
  readonly store: KeyStore;
  /** How long what was read of a key holds, in milliseconds. */
  readonly freshMs: () => number;
  /** How long it holds while the store is out of reach, in milliseconds. */
  readonly graceMs: () => number;
  /** Milliseconds on any clock that only goes forward. */
  readonly now?: () => number;
}

/** A key as it was read, with who has it. */
export interface KnownKey {
  readonly key: ApiKey;
  readonly principal: Principal;
}

interface Entry extends KnownKey {
  /** When the reading began. */
  readAt: number;
  /** Being read again. */
  refreshing: Promise<KnownKey | null> | null;
}

/** Keys that are kept at most, and hashes of which it is known that no key has them. */
const maxKept = 20_000;
/** Keys that the store is asked for at the same time and were not known before. Inventors of keys cannot keep it busier. */
const maxAsked = 64;

/**
 * Keys of the store as this process knows them. One that is in use is read again in the background before what is known of it is too old, so that its
 * calls never wait.
 */
export class KnownKeys {
  readonly #options: KnownKeysOptions;
  readonly #now: () => number;
  readonly #known = new LRUCache<string, Entry>({ max: maxKept });
  /** Apart, so that invented keys push no real ones out. */
  readonly #unknown = new LRUCache<string, number>({ max: maxKept });
  readonly #asking = new Map<string, Promise<KnownKey | null>>();
  /** How often something was forgotten. */
  #forgets = 0;

  constructor(options: KnownKeysOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The key of a hash; null when there is none. A promise only where the store is asked. @throws GatewayError */
  find(hash: string): KnownKey | null | Promise<KnownKey | null> {
    const entry = this.#known.get(hash);
    const now = this.#now();
    const freshMs = this.#options.freshMs();
    if (entry !== undefined) {
      const age = now - entry.readAt;
      if (age < freshMs) {
        if (age > freshMs / 2) this.#refresh(hash, entry).catch(() => {});
        return entry;
      }
      return this.#refresh(hash, entry);
    }
    const at = this.#unknown.get(hash);
    if (at !== undefined && now - at < freshMs) return null;
    return this.#ask(hash);
  }

  /** What is known of a key does not hold any more. */
  forget(hash: string): void {
    this.#forgets++;
    this.#known.delete(hash);
    this.#unknown.delete(hash);
    this.#asking.delete(hash);
  }

  /** Reads a known one again. While the store is out of reach, it holds for its time of grace. */
  #refresh(hash: string, entry: Entry): Promise<KnownKey | null> {
    entry.refreshing ??= this.#read(hash)
      .catch((error: unknown) => {
        if (this.#now() - entry.readAt < this.#options.freshMs() + this.#options.graceMs()) return entry;
        throw error;
      })
      .finally(() => {
        entry.refreshing = null;
      });
    return entry.refreshing;
  }

  #ask(hash: string): Promise<KnownKey | null> {
    let asking = this.#asking.get(hash);
    if (asking !== undefined) return asking;
    if (this.#asking.size >= maxAsked) {
      throw new GatewayError(ErrorReason.OVERLOADED, 'too many keys are being looked up', {
        retryAfterMs: 1_000,
      });
    }
    asking = this.#read(hash).finally(() => {
      if (this.#asking.get(hash) === asking) this.#asking.delete(hash);
    });
    this.#asking.set(hash, asking);
    return asking;
  }

  async #read(hash: string): Promise<KnownKey | null> {
    const readAt = this.#now();
    const before = this.#known.peek(hash);
    const forgets = this.#forgets;
    const key = await this.#options.store.find(hash);
    if (forgets !== this.#forgets) {
      // It may have been read before it changed.
      const found = key !== null && sameHash(key.hash, hash);
      return found ? { key, principal: principalOfKey(key) } : null;
    }
    if (key === null || !sameHash(key.hash, hash)) {
      this.#known.delete(hash);
      this.#unknown.set(hash, readAt);
      return null;
    }
    this.#unknown.delete(hash);
    // The same objects as before, where nothing has changed: others remember things by them.
    if (before?.key.revision === key.revision) {
      before.readAt = readAt;
      this.#known.set(hash, before);
      return before;
    }
    const entry: Entry = { key, principal: principalOfKey(key), readAt, refreshing: null };
    this.#known.set(hash, entry);
    return entry;
  }
}
