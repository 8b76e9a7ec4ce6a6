import { AnswerCache } from '../cache/answer-cache.ts';
import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { Stores } from '../store/open.ts';
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
