import { create } from '@bufbuild/protobuf';
import {
  type GetCacheStatusResponse,
  GetCacheStatusResponseSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import { requireAdminAmongKeys } from '../auth/admin.ts';
import type { Principal } from '../auth/principal.ts';
import type { CacheStatus, Clearing } from '../cache/answer-cache.ts';

/** What administrators do with the cache: RPC and REST call the same object. Rejects with GatewayError. */
export interface CacheApi {
  /** @returns how many entries were deleted */
  clear(principal: Principal, which: Clearing): Promise<number>;
  status(principal: Principal): Promise<GetCacheStatusResponse>;
}

/** The cache of the whole gateway, however many processes it has. */
export interface WholeCache {
  clear(which: Clearing): Promise<number>;
  status(): Promise<CacheStatus>;
}

/**
 * @param cache null when no answers are kept
 * @param maxSize entries that it has room for
 */
export function cacheApi(cache: WholeCache | null, maxSize: number): CacheApi {
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
      const { entries, bytes, oldestMs, newestMs, averageUses, counts } = await cache.status();
      response.totalEntries = BigInt(entries);
      response.totalSizeBytes = BigInt(bytes);
      if (oldestMs !== null) response.oldestEntryAgeSeconds = oldestMs / 1_000;
      if (newestMs !== null) response.newestEntryAgeSeconds = newestMs / 1_000;
      if (averageUses !== null) response.averageAccessCount = averageUses;
      response.hits = BigInt(counts.hit);
      response.misses = BigInt(counts.miss);
      response.shared = BigInt(counts.shared);
      response.refreshed = BigInt(counts.refreshed);
      response.errors = BigInt(counts.failed);
      return response;
    },
  };
}
