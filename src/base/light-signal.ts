type Listener = NonNullable<Parameters<AbortSignal['addEventListener']>[1]>;

/**
 * An AbortSignal that is its own controller. Every call has one, and most never abort: with Node's own a call takes a third more time, most of it for
 * garbage, since whatever has listened to one of them stays in memory until all garbage is collected. Node's functions that wait take it;
 * AbortSignal.any() and fetch() do not.
 */
export class LightSignal implements AbortSignal {
  aborted = false;
  reason: unknown = undefined;
  onabort: AbortSignal['onabort'] = null;
  /** One, mostly. */
  #listener: Listener | null = null;
  #more: Listener[] | null = null;

  /** Tells all listeners, once. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.dispatchEvent(new Event('abort'));
  }

  /** Aborts with another one. @returns what ends that */
  follow(other: AbortSignal): () => void {
    const follow = (): void => this.abort(other.reason);
    if (other.aborted) follow();
    else other.addEventListener('abort', follow, { once: true });
    return () => other.removeEventListener('abort', follow);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Only 'abort', which comes once, has listeners. */
  addEventListener(type: string, listener: Listener | null): void {
    if (type !== 'abort' || listener === null || this.#listener === listener) return;
    if (this.#listener === null) this.#listener = listener;
    else if (this.#more === null) this.#more = [listener];
    else if (!this.#more.includes(listener)) this.#more.push(listener);
  }

  removeEventListener(type: string, listener: Listener | null): void {
    if (type !== 'abort') return;
    if (this.#listener === listener) this.#listener = null;
    else if (this.#more !== null) this.#more = this.#more.filter((one) => one !== listener);
  }

  /** One that is taken back by another one's doing is not told. What one throws keeps nobody from being told, and is thrown at the end. */
  dispatchEvent(event: Event): boolean {
    const failures: unknown[] = [];
    const tell = (listener: Listener): void => {
      try {
        if (typeof listener === 'function') listener.call(this, event);
        else listener.handleEvent(event);
      } catch (error) {
        failures.push(error);
      }
    };
    if (this.onabort !== null) tell(this.onabort as Listener);
    if (this.#listener !== null) tell(this.#listener);
    for (const listener of this.#more ?? []) if (this.#more?.includes(listener)) tell(listener);
    this.#listener = null;
    this.#more = null;
    if (failures.length > 0) throw failures[0];
    return true;
  }
}
