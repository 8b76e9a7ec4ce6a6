import { administrator } from '../auth/admin.ts';
import type { CacheApi } from '../rpc/cache-api.ts';
import type { StoreNumbers } from '../rpc/health-api.ts';
import type { LimitsApi } from '../rpc/limits-api.ts';
import type { Settled } from './settled.ts';

/** How long an answer is given again, and how long one waits for it, in milliseconds. */
const keptMs = 1_000;

/** What the stores and services say of themselves: asked once a second at most, since anybody may ask for the gateway's health. */
export function healthNumbers(
  settled: () => Settled,
  apis: () => { readonly cache: CacheApi; readonly rateLimits: LimitsApi },
): () => Promise<StoreNumbers> {
  let known: { readonly at: number; readonly numbers: Promise<StoreNumbers> } | null = null;
  return () => {
    const now = performance.now();
    if (known === null || now - known.at > keptMs) known = { at: now, numbers: ask(settled(), apis()) };
    return known.numbers;
  };
}

async function ask(
  { config, integrations }: Settled,
  { cache, rateLimits }: { readonly cache: CacheApi; readonly rateLimits: LimitsApi },
): Promise<StoreNumbers> {
  const bound = AbortSignal.timeout(config.healthTimeoutMs);
  const late = new Promise<null>((resolve) => {
    bound.addEventListener('abort', () => resolve(null), { once: true });
  });
  const within = <T>(asked: Promise<T>): Promise<T | null> => Promise.race([asked.catch(() => null), late]);
  const [entries, owners, services] = await Promise.all([
    within(cache.status(administrator)),
    within(rateLimits.summary(administrator)),
    // They have the same bound, each by itself: one that is slow hides none of the others.
    integrations.states({ requestId: 'health' }, true),
  ]);
  return {
    cache: entries && {
      enabled: entries.enabled,
      entries: Number(entries.totalEntries),
      bytes: Number(entries.totalSizeBytes),
    },
    limiter: owners && {
      activeOwners: Number(owners.activeOwners),
      requestsLastMinute: Number(owners.requestsLastMinute),
    },
    integrations: services.map(({ name, status, error }) => ({ name, status, error })),
  };
}
