import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { AnswerCache, type CacheStatus, type Clearing } from '../cache/answer-cache.ts';
import type { Config } from '../config/load.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import type { WholeCache } from '../rpc/cache-api.ts';
import type { Stores } from '../store/open.ts';
import type { Crew } from '../workers/crew.ts';
import type { Settled } from './settled.ts';

/** Null when no answers are kept. */
export function createCache(
  { cacheEnabled }: Config,
  settled: () => Settled,
  { cache: store }: Pick<Stores, 'cache'>,
  log: Logger,
): AnswerCache | null {
  if (!cacheEnabled) return null;
  const terms = () => {
    const { cacheTtlMs: ttlMs, cacheMaxEntryBytes, cacheDeterministicOnly } = settled().config;
    return { ttlMs, maxEntryBytes: cacheMaxEntryBytes, deterministicOnly: cacheDeterministicOnly };
  };
  return new AnswerCache({ store, terms, log: log.module('cache') });
}

/** What all processes of the gateway keep, as one. @param isShared they keep it in one place */
export function wholeCache(cache: AnswerCache, crew: Crew, isShared: boolean): WholeCache {
  crew.answer('cache.clear', (which) => cache.clear(which as Clearing));
  // What is kept in one place is counted there, by whoever asks.
  crew.answer('cache.status', () => (isShared ? { counts: cache.counts } : cache.status()));
  return {
    async clear(which) {
      if (isShared) return cache.clear(which);
      const cleared = (await crew.askAll('cache.clear', which)) as number[];
      const missing = crew.size - cleared.length;
      if (missing > 0) {
        const why = `${missing} of ${crew.size} workers did not clear their part of the cache in time`;
        throw new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, why);
      }
      return cleared.reduce((sum, count) => sum + count, 0);
    },
    async status() {
      if (crew.size === 1) return cache.status();
      const [all, kept] = await Promise.all([
        crew.askAll('cache.status') as Promise<CacheStatus[]>,
        isShared ? cache.status() : null,
      ]);
      const counts = { hit: 0, miss: 0, shared: 0, refreshed: 0, failed: 0 };
      for (const { counts: own } of all) {
        for (const outcome of Object.keys(counts) as (keyof typeof counts)[]) counts[outcome] += own[outcome];
      }
      return { ...(kept ?? summed(all)), counts };
    },
  };
}

function summed(all: readonly CacheStatus[]): Omit<CacheStatus, 'counts'> {
  const total = (count: (status: CacheStatus) => number): number =>
    all.reduce((sum, status) => sum + count(status), 0);
  const among = (pick: typeof Math.min, ages: readonly (number | null)[]): number | null => {
    const known = ages.filter((age) => age !== null);
    return known.length === 0 ? null : pick(...known);
  };
  const entries = total((status) => status.entries);
  return {
    entries,
    bytes: total((status) => status.bytes),
    oldestMs: among(
      Math.max,
      all.map(({ oldestMs }) => oldestMs),
    ),
    newestMs: among(
      Math.min,
      all.map(({ newestMs }) => newestMs),
    ),
    averageUses:
      entries === 0 ? null : total((status) => (status.averageUses ?? 0) * status.entries) / entries,
  };
}
