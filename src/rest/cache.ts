import { readOptionalString } from '../codec/fields.ts';
import type { CacheApi } from '../rpc/cache-api.ts';
import { type RestHandler, readMembers } from './exchange.ts';
import { sendFlat } from './platform-reply.ts';

/** What the routes of the cache are made of. */
export interface CacheRoutes {
  readonly api: CacheApi;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
}

const known = ['pattern', 'user_id', 'tenant'];

/** POST /cache/clear. The body may be left out. */
export const clearCache =
  ({ api, maxBodyBytes }: CacheRoutes): RestHandler =>
  async (exchange) => {
    const body = await readMembers(exchange, maxBodyBytes(), known, {});
    const pattern = readOptionalString(body['pattern'] ?? null, 'pattern', 1_024);
    const owner = readOptionalString(body['user_id'] ?? null, 'user_id', 256);
    const tenant = body['tenant'];
    const cleared = await api.clear(exchange.principal, {
      pattern,
      owner,
      tenant: tenant === undefined || tenant === null ? undefined : readOptionalString(tenant, 'tenant', 256),
    });
    const told = { entries_cleared: cleared, ...(pattern === '' ? {} : { pattern }) };
    sendFlat(exchange, JSON.stringify(told));
  };

/** GET /cache/status. */
export const cacheStatus =
  ({ api }: CacheRoutes): RestHandler =>
  async (exchange) => {
    const status = await api.status(exchange.principal);
    const entries = Number(status.totalEntries);
    const bytes = Number(status.totalSizeBytes);
    const maxSize = Number(status.maxSize);
    const [hits, misses, shared] = [status.hits, status.misses, status.shared].map(Number) as [
      number,
      number,
      number,
    ];
    const asked = hits + misses + shared;
    sendFlat(
      exchange,
      JSON.stringify({
        status: status.enabled ? 'healthy' : 'disabled',
        total_entries: entries,
        total_size_bytes: bytes,
        total_size_mb: rounded(bytes / 2 ** 20),
        oldest_entry_age_seconds: status.oldestEntryAgeSeconds ?? null,
        newest_entry_age_seconds: status.newestEntryAgeSeconds ?? null,
        average_access_count:
          status.averageAccessCount === undefined ? null : rounded(status.averageAccessCount),
        max_size: maxSize,
        utilization_percent: rounded((100 * entries) / maxSize),
        hits,
        misses,
        hit_rate: asked === 0 ? 0 : rounded(hits / asked, 4),
        shared,
        refreshed: Number(status.refreshed),
        errors: Number(status.errors),
      }),
    );
  };

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
