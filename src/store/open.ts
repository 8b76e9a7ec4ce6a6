import type { KeyStore } from '../auth/store.ts';
import type { CacheStore } from '../cache/store.ts';
import type { RedisAddress } from '../config/redis-url.ts';
import { MemoryLimits } from '../limits/memory-store.ts';
import type { LimitStore } from '../limits/store.ts';
import type { MemoStore } from '../memory/store.ts';
import type { Logger } from '../observability/log.ts';
import type { ResponseStore } from '../responses/store.ts';
import type { SessionStore } from '../sessions/store.ts';
import type { ToolStore } from '../tools/store.ts';
import type { BudgetStore, UsageStore } from '../usage/store.ts';
import { EmbeddedBudgets } from './embedded/budgets.ts';
import { BufferedBudgets } from './embedded/buffered-budgets.ts';
import { EmbeddedCache } from './embedded/cache.ts';
import { checkDataDir, Database } from './embedded/database.ts';
import { EmbeddedKeys } from './embedded/keys.ts';
import { EmbeddedLimits } from './embedded/limits.ts';
import { EmbeddedMemos } from './embedded/memos.ts';
import { EmbeddedResponses } from './embedded/responses.ts';
import { EmbeddedSessions } from './embedded/sessions.ts';
import { EmbeddedTools } from './embedded/tools.ts';
import { EmbeddedUsage } from './embedded/usage.ts';
import { RedisBudgets } from './redis/budgets.ts';
import { RedisCache } from './redis/cache.ts';
import { RedisConnection, type StoreObserver } from './redis/connection.ts';
import { RedisKeys } from './redis/keys.ts';
import { RedisLimits } from './redis/limits.ts';
import { RedisMemos } from './redis/memos.ts';
import { RedisResponses } from './redis/responses.ts';
import { RedisSessions } from './redis/sessions.ts';
import { RedisTools } from './redis/tools.ts';
import { RedisUsage } from './redis/usage.ts';

export interface StoreOptions {
  /** Null: the embedded store. */
  readonly redisUrl: RedisAddress | null;
  readonly redisTimeoutMs: number;
  readonly dataDir: string;
  readonly dataMaxBytes: number;
  /** How long totals of days are kept. */
  readonly usageRetentionMs: number;
  /** After which time the places of calls are free whose gateway has died. */
  readonly limitLeaseMs: number;
  /** Where limits are counted without a Redis. */
  readonly limitEmbedded: 'memory' | 'file';
  /** See RedisConnectionOptions. */
  readonly onCommand?: StoreObserver;
  /** Bounds of the cache of answers. */
  readonly cacheMaxSize: number;
  readonly cacheMaxBytes: number;
  /** Whether other processes have the embedded store open, too. Default: none has. */
  readonly shared?: boolean;
  /** Whether this process clears away what has expired in the embedded store. Default: it does. */
  readonly sweeps?: boolean;
}

/** Where the gateway keeps what has to outlive a call. */
export interface Stores {
  readonly sessions: SessionStore;
  readonly tools: ToolStore;
  readonly responses: ResponseStore;
  readonly usage: UsageStore;
  readonly budgets: BudgetStore;
  readonly keys: KeyStore;
  readonly limits: LimitStore;
  /** Whether a store that other processes have is in reach; null for the embedded one. */
  readonly well: () => boolean | null;
  readonly cache: CacheStore;
  readonly kind: 'redis' | 'embedded';
  /** Asks whether it serves. @throws GatewayError DEPENDENCY_UNAVAILABLE, or another error */
  ping(): Promise<void>;
  readonly memos: MemoStore;
  close(): void;
}

/** How often the embedded store clears away what has expired, in milliseconds. */
const sweepMs = 60_000;
/** What workers may remember together in the embedded store, in bytes, compressed. */
const maxMemoBytes = 256 * 2 ** 20;

/** Opens the configured store. Waits for nothing: Redis may be down. @throws ConfigError when the data folder cannot be used */
export function openStores(options: StoreOptions, log: Logger): Stores {
  const { redisUrl: address, redisTimeoutMs: timeoutMs, dataDir: dir, dataMaxBytes: maxBytes } = options;
  const { usageRetentionMs: keepMs, limitLeaseMs, limitEmbedded, shared = false, sweeps = true } = options;
  const bounds = { maxEntries: options.cacheMaxSize, maxBytes: options.cacheMaxBytes };
  if (address !== null) {
    const { onCommand } = options;
    const redis = new RedisConnection({
      address,
      timeoutMs,
      log,
      ...(onCommand === undefined ? {} : { onCommand }),
    });
    return {
      sessions: new RedisSessions(redis),
      tools: new RedisTools(redis),
      responses: new RedisResponses(redis),
      usage: new RedisUsage(redis, keepMs),
      budgets: new RedisBudgets(redis),
      keys: new RedisKeys(redis),
      limits: new RedisLimits(redis, limitLeaseMs),
      well: () => redis.well,
      cache: new RedisCache(redis, bounds),
      kind: 'redis',
      ping: async () => void (await redis.command('PING')),
      memos: new RedisMemos(redis),
      close: () => redis.close(),
    };
  }
  checkDataDir(dir, true);
  const database = new Database({ dir, maxBytes });
  const sessions = new EmbeddedSessions(database);
  const responses = new EmbeddedResponses(database);
  const usage = new EmbeddedUsage(database, keepMs);
  const budgets = new EmbeddedBudgets(database);
  const isExact = limitEmbedded === 'file' || shared;
  const ownBudgets = isExact ? null : new BufferedBudgets(budgets, log);
  const memos = new EmbeddedMemos(database, maxMemoBytes);
  const fileLimits = isExact ? new EmbeddedLimits(database, limitLeaseMs) : null;
  const swept = [sessions, responses, usage, budgets, memos, ...(fileLimits === null ? [] : [fileLimits])];
  const cache = new EmbeddedCache(bounds);
  const sweep = (): void => {
    if (!sweeps || !database.opened) return;
    try {
      const more = swept.filter((store) => store.sweep());
      if (more.length > 0) setImmediate(sweep).unref();
      else database.shrink();
    } catch (error) {
      log.warn('expired data could not be cleared away', { error });
    }
  };
  const timer = setInterval(() => {
    cache.sweep();
    sweep();
  }, sweepMs).unref();
  return {
    sessions,
    tools: new EmbeddedTools(database),
    responses,
    usage,
    budgets: ownBudgets ?? budgets,
    keys: new EmbeddedKeys(database),
    limits: fileLimits ?? new MemoryLimits(),
    well: () => null,
    cache,
    kind: 'embedded',
    // One that was not used yet is not made for this.
    ping: async () => void (database.opened ? database.get('PRAGMA schema_version') : checkDataDir(dir)),
    memos,
    close() {
      clearInterval(timer);
      try {
        ownBudgets?.save();
      } catch (error) {
        log.error('what was spent last of budgets is lost', { error });
      }
      database.close();
    },
  };
}
