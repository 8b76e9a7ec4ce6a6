import type { DiscoveredModel, Provider } from './provider.ts';

/** The models that providers report, kept fresh in the background. Asking it never waits. */
export interface Discovery {
  /** What `provider` reported last; empty when it has not, or cannot be asked. */
  modelsOf(provider: string): readonly DiscoveredModel[];
  /** Whether `provider` answered when it was asked last; null when it has not been asked. */
  reachable(provider: string): boolean | null;
  /** Resolves when every provider has been asked once. */
  readonly firstRound: Promise<void>;
  stop(): void;
}

export interface DiscoveryOptions {
  /** Between two rounds, in milliseconds. */
  readonly intervalMs: number;
  /** Longest wait for one provider, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /** Told when a provider begins or ceases to answer. */
  readonly onChange?: (provider: string, reachable: boolean, error: unknown) => void;
}

/** Asks every provider that can be asked for its models, now and then again every interval. */
export function startDiscovery(providers: Iterable<Provider>, options: DiscoveryOptions): Discovery {
  const { intervalMs, timeoutMs = 5_000, onChange } = options;
  const asked = [...providers].filter(
    (provider) => provider.listModels !== undefined && provider.missing === null,
  );
  const models = new Map<string, readonly DiscoveredModel[]>();
  const reachable = new Map<string, boolean>();
  const stopped = new AbortController();
  let timer: NodeJS.Timeout | undefined;

  const ask = async (provider: Provider): Promise<void> => {
    let failure: unknown = null;
    try {
      const signal = AbortSignal.any([stopped.signal, AbortSignal.timeout(timeoutMs)]);
      models.set(provider.name, (await provider.listModels?.(signal)) ?? []);
    } catch (error) {
      failure = error;
    }
    if (stopped.signal.aborted) return;
    const now = failure === null;
    // The last list stays while the provider is away: its models are more likely to come back than to be gone.
    if (reachable.get(provider.name) !== now) onChange?.(provider.name, now, failure);
    reachable.set(provider.name, now);
  };
  const round = async (): Promise<void> => {
    await Promise.all(asked.map(ask));
    if (!stopped.signal.aborted) timer = setTimeout(round, intervalMs).unref();
  };
  return {
    modelsOf: (provider) => models.get(provider) ?? [],
    reachable: (provider) => reachable.get(provider) ?? null,
    firstRound: round(),
    stop() {
      clearTimeout(timer);
      stopped.abort();
    },
  };
}
