import type { Claim, LimitStore } from './store.ts';

type Place = Pick<Claim, 'id' | 'accounts'>;

/** Between two tries to free places, in milliseconds. */
const retryMs = 500;
/** Further ones go with their leases. */
const maxPlaces = 10_000;
/** Places that are freed at once. */
const width = 64;

const noNumbers: readonly number[] = [];

/**
 * Places of calls that are over and that the store could not be told of. It is told again as long as their leases last; of places only, since
 * what is counted might be counted twice.
 */
export class LatePlaces {
  readonly #store: LimitStore;
  readonly #leaseMs: number;
  readonly #now: () => number;
  /** With when their leases are over. */
  #places: { readonly place: Place; readonly until: number }[] = [];
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(store: LimitStore, now: () => number = () => performance.now()) {
    this.#store = store;
    this.#leaseMs = store.leaseMs ?? 0;
    this.#now = now;
  }

  add({ id, accounts }: Place): void {
    if (this.#closed || this.#places.length >= maxPlaces) return;
    if (!accounts.some(({ rule }) => rule.concurrent > 0)) return;
    this.#places.push({ place: { id, accounts }, until: this.#now() + this.#leaseMs });
    this.#later();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #later(): void {
    if (!this.#closed) this.#timer ??= setTimeout(() => void this.#free(), retryMs).unref();
  }

  /** Stops at the first ones that the store does not free. */
  async #free(): Promise<void> {
    const now = this.#now();
    let left = this.#places.filter(({ until }) => until > now);
    this.#places = [];
    while (left.length > 0) {
      const some = left.slice(0, width);
      const freed = await Promise.allSettled(
        some.map(async ({ place }) =>
          this.#store.settle({ ...place, numbers: noNumbers, over: true, uncounted: false, tokens: 0 }),
        ),
      );
      const failed = some.filter((_, i) => freed[i]?.status === 'rejected');
      left = [...failed, ...left.slice(width)];
      if (failed.length > 0) break;
    }
    this.#places.unshift(...left);
    this.#timer = null;
    if (this.#places.length > 0) this.#later();
  }
}
