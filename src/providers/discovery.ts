import { type DiscoveredModel, maxDiscoveredModels, type Provider } from './provider.ts';

/** The models that providers report, kept fresh in the background. Asking it never waits. */
export interface Discovery {
  /** What `provider` reported last; empty when it has not, or cannot be asked. The same list as long as it is the last one. */
  modelsOf(provider: string): readonly DiscoveredModel[];
  /** Whether `provider` answered when it was asked last; null when it has not been asked. */
  reachable(provider: string): boolean | null;
  /** When `provider` was asked last, in milliseconds since 1970; null when it has not been. */
  checkedAt(provider: string): number | null;
  /** Resolves when every provider has been asked once. */
  readonly firstRound: Promise<void>;
  stop(): void;
}

export interface DiscoveryOptions {
  /** From a provider's answer until it is asked again, in milliseconds. */
  readonly intervalMs: number;
  /** Longest wait for one provider, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /** What was known so far, which stands until a provider has answered anew. */
  readonly previous?: Discovery | undefined;
  /** Told when a provider begins or ceases to answer. */
  readonly onChange?: (provider: string, reachable: boolean, error: unknown) => void;
}

/**
 * Asks every provider that can be asked for its models, now and then again every interval, each on its own: one that is slow or
 * fails does not hold up the others.
 */
export function startDiscovery(providers: Iterable<Provider>, options: DiscoveryOptions): Discovery {
  // Not kept: one would hold on to the one before it, and so on.
  const { previous, ...rest } = options;
  const known = new Map<string, Asked>();
  const stopped = new AbortController();
  const first: Promise<void>[] = [];
  for (const provider of providers) {
    if (provider.listModels === undefined || provider.missing !== null) continue;
    const asked = new Asked(provider, rest, stopped.signal);
    asked.models = previous?.modelsOf(provider.name) ?? none;
    asked.reachable = previous?.reachable(provider.name) ?? null;
    asked.checkedAt = previous?.checkedAt(provider.name) ?? null;
    known.set(provider.name, asked);
    first.push(asked.round());
  }
  return {
    modelsOf: (provider) => known.get(provider)?.models ?? none,
    reachable: (provider) => known.get(provider)?.reachable ?? null,
    checkedAt: (provider) => known.get(provider)?.checkedAt ?? null,
    firstRound: Promise.all(first).then(() => {}),
    stop() {
      stopped.abort();
      for (const asked of known.values()) asked.stop();
    },
  };
}

const none: readonly DiscoveredModel[] = [];

/** One provider, and what it said. */
class Asked {
  models = none;
  reachable: boolean | null = null;
  checkedAt: number | null = null;
  readonly #provider: Provider;
  readonly #options: Omit<DiscoveryOptions, 'previous'>;
  readonly #stopped: AbortSignal;
  #timer: NodeJS.Timeout | undefined;

  constructor(provider: Provider, options: Omit<DiscoveryOptions, 'previous'>, stopped: AbortSignal) {
    this.#provider = provider;
    this.#options = options;
    this.#stopped = stopped;
  }

  /** Asks, and sees to it that it is asked again. Never rejects. */
  async round(): Promise<void> {
    let failure: unknown = null;
    try {
      const models = await this.#ask();
      if (this.#stopped.aborted) return;
      this.models = models.length > maxDiscoveredModels ? models.slice(0, maxDiscoveredModels) : models;
    } catch (error) {
      // The last list stays while the provider is away: its models are more likely to come back than to be gone.
      failure = error;
    }
    if (this.#stopped.aborted) return;
    const now = failure === null;
    const before = this.reachable;
    this.reachable = now;
    this.checkedAt = Date.now();
    if (before !== now) this.#options.onChange?.(this.#provider.name, now, failure);
    this.#timer = setTimeout(() => void this.round(), this.#options.intervalMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Waits no longer than the limit, also for a provider that does not heed its signal. */
  async #ask(): Promise<readonly DiscoveredModel[]> {
    const { timeoutMs = 5_000 } = this.#options;
    const signal = AbortSignal.any([this.#stopped, AbortSignal.timeout(timeoutMs)]);
    const over = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    return Promise.race([this.#provider.listModels?.(signal) ?? [], over]);
  }
}
