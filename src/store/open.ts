import type { KeyStore } from '../auth/store.ts';
import type { RedisAddress } from '../config/redis-url.ts';
import type { MemoStore } from '../memory/store.ts';
import type { Logger } from '../observability/log.ts';
import type { ResponseStore } from '../responses/store.ts';
import type { SessionStore } from '../sessions/store.ts';
import type { ToolStore } from '../tools/store.ts';
import type { BudgetStore, UsageStore } from '../usage/store.ts';
import { EmbeddedBudgets } from './embedded/budgets.ts';
import { checkDataDir, Database } from './embedded/database.ts';
import { EmbeddedKeys } from './embedded/keys.ts';
import { EmbeddedMemos } from './embedded/memos.ts';
import { EmbeddedResponses } from './embedded/responses.ts';
import { EmbeddedSessions } from './embedded/sessions.ts';
import { EmbeddedTools } from './embedded/tools.ts';
import { EmbeddedUsage } from './embedded/usage.ts';
import { RedisBudgets } from './redis/budgets.ts';
import { RedisConnection } from './redis/connection.ts';
import { RedisKeys } from './redis/keys.ts';
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
  const { usageRetentionMs: keepMs, sweeps = true } = options;
  if (address !== null) {
    const redis = new RedisConnection({ address, timeoutMs, log });
    return {
      sessions: new RedisSessions(redis),
      tools: new RedisTools(redis),
      responses: new RedisResponses(redis),
      usage: new RedisUsage(redis, keepMs),
      budgets: new RedisBudgets(redis),
      keys: new RedisKeys(redis),
      memos: new RedisMemos(redis),
      close: () => redis.close(),
    };
  }
  checkDataDir(dir);
  const database = new Database({ dir, maxBytes });
  const sessions = new EmbeddedSessions(database);
  const responses = new EmbeddedResponses(database);
  const usage = new EmbeddedUsage(database, keepMs);
  const budgets = new EmbeddedBudgets(database);
  const memos = new EmbeddedMemos(database, maxMemoBytes);
  const sweep = (): void => {
    if (!sweeps || !database.opened) return;
    try {
      const more = [sessions, responses, usage, budgets, memos].filter((store) => store.sweep());
      if (more.length > 0) setImmediate(sweep).unref();
      else database.shrink();
    } catch (error) {
      log.warn('expired data could not be cleared away', { error });
    }
  };
  const timer = setInterval(sweep, sweepMs).unref();
  return {
    sessions,
    tools: new EmbeddedTools(database),
    responses,
    usage,
    budgets,
    keys: new EmbeddedKeys(database),
    memos,
    close() {
      clearInterval(timer);
      database.close();
    },
  };
}
