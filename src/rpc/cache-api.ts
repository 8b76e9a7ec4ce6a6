import { create } from '@bufbuild/protobuf';
import {
  type GetCacheStatusResponse,
  GetCacheStatusResponseSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import { requireAdminAmongKeys } from '../auth/admin.ts';
import type { Principal } from '../auth/principal.ts';
import type { AnswerCache, Clearing } from '../cache/answer-cache.ts';

/** What administrators do with the cache: RPC and REST call the same object. Rejects with GatewayError. */
export interface CacheApi {
  /** @returns how many entries were deleted */
  clear(principal: Principal, which: Clearing): Promise<number>;
  status(principal: Principal): Promise<GetCacheStatusResponse>;
}

/**
 * @param cache null when no answers are kept
 * @param maxSize entries that it has room for
 */
export function cacheApi(cache: AnswerCache | null, maxSize: number): CacheApi {
  return {
    async clear(principal, which) {
      requireAdminAmongKeys(principal);
      return cache === null ? 0 : cache.clear(which);
    },
    async status(principal) {
      requireAdminAmongKeys(principal);
      const response = create(GetCacheStatusResponseSchema, {
        enabled: cache !== null,
        maxSize: BigInt(maxSize),
      });
      if (cache === null) return response;
      const { entries, bytes, oldestMs, newestMs, averageUses } = await cache.status();
      const { hit, miss, shared, refreshed, failed } = cache.counts;
      response.totalEntries = BigInt(entries);
      response.totalSizeBytes = BigInt(bytes);
      if (oldestMs !== null) response.oldestEntryAgeSeconds = oldestMs / 1_000;
      if (newestMs !== null) response.newestEntryAgeSeconds = newestMs / 1_000;
      if (averageUses !== null) response.averageAccessCount = averageUses;
      response.hits = BigInt(hit);
      response.misses = BigInt(miss);
      response.shared = BigInt(shared);
      response.refreshed = BigInt(refreshed);
      response.errors = BigInt(failed);
      return response;
    },
  };
}
