import type { Service } from '../integrations/service.ts';

/** How long the outcome of a look at the service holds, in milliseconds. */
const freshMs = 1_000;

/**
 * Whether the service is there. Calls at once share one look, and its outcome holds for a second, so that a burst of long prompts
 * costs the service one request.
 */
export class Availability {
  readonly #service: Service;
  readonly #now: () => number;
  #looking: Promise<boolean> | null = null;
  #known: { readonly there: boolean; readonly until: number } | null = null;

  /** @param now a clock in milliseconds that never goes back */
  constructor(service: Service, now: () => number = () => performance.now()) {
    this.#service = service;
    this.#now = now;
  }

  /**
   * @param requestId of the call that wants to know; the service is told that of the call that happens to be the first
   * @param signal ends the wait of this call, not the look, which others may wait for
   * @throws what `signal` aborts with
   */
  check(requestId: string, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#known !== null && this.#now() < this.#known.until) return Promise.resolve(this.#known.there);
    this.#looking ??= this.#look(requestId);
    return orAborted(this.#looking, signal);
  }

  /** Never rejects, and takes no longer than the service's time limit. */
  async #look(requestId: string): Promise<boolean> {
    const there = await isThere(this.#service, requestId);
    this.#known = { there, until: this.#now() + freshMs };
    this.#looking = null;
    return there;
  }
}

async function isThere(service: Service, requestId: string): Promise<boolean> {
  try {
    const { signal } = new AbortController();
    // Without a breaker: this is how one finds out that it is back.
    const { status } = await service.call({
      method: 'GET',
      path: '/health',
      breaker: null,
      requestId,
      signal,
    });
    return status === 200;
  } catch {
    return false;
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
