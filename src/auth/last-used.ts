import type { KeyStore } from './store.ts';

/** How often it is written, in milliseconds. */
const writeEveryMs = 60_000;
/** Keys whose use is remembered between two writes. */
const maxNoted = 20_000;

/** When keys were last used, written for all of them once a minute. What cannot be written is forgotten: it is a hint for people. */
export class LastUsed {
  readonly #store: KeyStore;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #noted = new Map<string, number>();

  constructor(store: KeyStore, now: () => number = Date.now) {
    this.#store = store;
    this.#now = now;
    this.#timer = setInterval(() => void this.write(), writeEveryMs).unref();
  }

  /** A key is used now. Costs a look into a map, but for the first time of a minute. */
  note(id: string): void {
    if (!this.#noted.has(id) && this.#noted.size < maxNoted) this.#noted.set(id, this.#now());
  }

  async write(): Promise<void> {
    if (this.#noted.size === 0) return;
    const noted = this.#noted;
    this.#noted = new Map();
    await this.#store.used(noted).catch(() => {});
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.write();
  }
}
