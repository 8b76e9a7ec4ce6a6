import { wildcard } from '../base/wildcard.ts';
import type { Logger } from '../observability/log.ts';
import { type AnswerKind, madeAt } from './entry.ts';
import { Flights } from './flights.ts';
import type { CacheStore, EntryFilter, EntryName, StoreStatus } from './store.ts';

/** What holds for entries. Read anew for each call, since a reload may change it. */
export interface CacheTerms {
  readonly ttlMs: number;
  /** What is larger is not kept. */
  readonly maxEntryBytes: number;
  /** Only answers to calls with temperature 0 are kept. */
  readonly deterministicOnly: boolean;
}

/** What became of a call. */
export type CacheOutcome = 'hit' | 'miss' | 'shared' | 'refreshed';

/** Told of what happens. Every member is optional; none may throw. */
export interface CacheListener {
  /** A call was looked up. */
  asked?(outcome: CacheOutcome): void;
  /** An answer was kept. */
  kept?(bytes: number): void;
  /** The store could not be read or written. */
  failed?(): void;
}

/** How often what happened since the start. */
export interface CacheCounts {
  hit: number;
  miss: number;
  shared: number;
  refreshed: number;
  failed: number;
}

export interface AnswerCacheOptions {
  readonly store: CacheStore;
  readonly terms: () => CacheTerms;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** An entry that was found. */
export interface Found {
  readonly entry: Uint8Array;
  readonly ageMs: number;
}

/** What is in it, and how often it was of use. */
export interface CacheStatus extends StoreStatus {
  readonly counts: Readonly<CacheCounts>;
}

/** Which entries are to be deleted. */
export interface Clearing {
  /** '' for any. */
  readonly pattern: string;
  /** '' for any. */
  readonly owner: string;
  readonly tenant: string | undefined;
}

/** Longest wait for an entry, in milliseconds: then the provider is asked, as without a cache. */
const lookupMs = 50;
/** Entries that are on their way to a slow store at most; what comes meanwhile is not kept. */
const maxWriting = 256;
/** Memory for answers that several calls may share while they come, in bytes. */
const flightBytes = 64 * 2 ** 20;

/**
 * Answers by what was asked. A store that is out of reach costs time and money only: what cannot be read is asked of the provider, what
 * cannot be written is not kept. The log tells of it when that begins and when it is over.
 */
export class AnswerCache {
  readonly terms: () => CacheTerms;
  readonly flights: Flights;
  readonly counts: CacheCounts = { hit: 0, miss: 0, shared: 0, refreshed: 0, failed: 0 };
  readonly #store: CacheStore;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #listeners: CacheListener[] = [];
  /** How often entries were deleted. */
  clears = 0;
  #writing = 0;
  #well = true;

  constructor({ store, terms, log, now = Date.now }: AnswerCacheOptions) {
    this.#store = store;
    this.terms = terms;
    this.#log = log;
    this.#now = now;
    this.flights = new Flights({ maxBytes: flightBytes, maxFlightBytes: () => terms().maxEntryBytes });
  }

  listen(listener: CacheListener): void {
    this.#listeners.push(listener);
  }

  /** Counts a call. */
  count(outcome: CacheOutcome): void {
    this.counts[outcome]++;
    for (const listener of this.#listeners) listener.asked?.(outcome);
  }

  get now(): number {
    return this.#now();
  }

  /** The answer to a request, when there is one. A promise only where the store has to be waited for; never fails. */
  find(kind: AnswerKind, key: string): Found | null | Promise<Found | null> {
    try {
      const answer = this.#store.get(key);
      if (!(answer instanceof Promise)) return this.#fresh(kind, answer);
      return inTime(answer).then(
        (entry) => {
          this.#tell(true);
          return this.#fresh(kind, entry);
        },
        (error: unknown) => this.#missed(error),
      );
    } catch (error) {
      return this.#missed(error);
    }
  }

  /** Keeps an answer. Nobody waits for it, and it never fails. */
  keep(key: string, name: EntryName, entry: Uint8Array): void {
    const { maxEntryBytes, ttlMs } = this.terms();
    if (entry.length > maxEntryBytes || this.#writing >= maxWriting) return;
    try {
      const written = this.#store.put(key, entry, name, ttlMs);
      for (const listener of this.#listeners) listener.kept?.(entry.length);
      if (written === undefined) return;
      this.#writing++;
      void written
        .then(
          () => this.#tell(true),
          (error: unknown) => void this.#missed(error),
        )
        .finally(() => this.#writing--);
    } catch (error) {
      this.#missed(error);
    }
  }

  /** A request has no key, or an answer could not be made into an entry: a fault of the gateway's. */
  failed(error: unknown): void {
    this.#countFailure();
    this.#log.error('a call went on without the cache', { error });
  }

  /** Deletes entries. @returns how many @throws GatewayError DEPENDENCY_UNAVAILABLE */
  async clear({ pattern, owner, tenant }: Clearing): Promise<number> {
    const filter: EntryFilter = {
      tenant,
      owner: owner === '' ? undefined : owner,
      fits: pattern === '' ? undefined : wildcard(pattern, '?'),
    };
    this.clears++;
    try {
      return await this.#store.clear(filter);
    } finally {
      this.clears++;
    }
  }

  /** @throws GatewayError DEPENDENCY_UNAVAILABLE */
  async status(): Promise<CacheStatus> {
    return { ...(await this.#store.status()), counts: this.counts };
  }

  #fresh(kind: AnswerKind, entry: Uint8Array | null): Found | null {
    if (entry === null) return null;
    const made = madeAt(kind, entry);
    if (made === null) return null;
    // Another gateway's clock may be ahead of this one's.
    const ageMs = Math.max(0, this.#now() - made);
    return ageMs <= this.terms().ttlMs ? { entry, ageMs } : null;
  }

  #missed(error: unknown): null {
    this.#countFailure();
    this.#tell(false, error);
    return null;
  }

  #countFailure(): void {
    this.counts.failed++;
    for (const listener of this.#listeners) listener.failed?.();
  }

  #tell(well: boolean, error?: unknown): void {
    if (this.#well === well) return;
    this.#well = well;
    if (well) this.#log.info('the cache answers');
    else this.#log.warn('the cache does not answer; calls go on without it', { error });
  }
}

/** An answer that came while the process was busy counts: timers run before sockets are read. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error('no answer in time'));
    const timer = setTimeout(() => setImmediate(late), lookupMs);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
