import { type RedisAddress, redisAddress } from '../redis-url.ts';
import { atStart, hour, setting, time } from '../setting.ts';
import { bytes, text } from '../values.ts';

/** What outlives a call: the stores, and sessions. */
export const storeSettings = {
  redisUrl: atStart(
    setting(
      'store.redis.url',
      'REDIS_URL',
      redisAddress,
      null as RedisAddress | null,
      'Redis for what gateways share; without it each keeps its own in the data folder',
    ),
  ),
  redisTimeoutMs: atStart(
    time('store.redis.timeout', 'REDIS_TIMEOUT', [10, 200], 200, 'Longest wait for an answer of Redis'),
  ),
  dataDir: atStart(
    setting(
      'store.data_dir',
      'DATA_DIR',
      text,
      './data',
      'Folder of the embedded store; made when it is first needed',
    ),
  ),
  dataMaxBytes: atStart(
    setting(
      'store.data_max_bytes',
      'DATA_MAX_BYTES',
      bytes(2 ** 20, 2 ** 40),
      4 * 2 ** 30,
      'Largest file of the embedded store',
      '4GiB',
    ),
  ),
  sessionTtlMs: time(
    'sessions.ttl',
    'SESSION_TTL',
    [60_000, 720 * hour],
    hour,
    'Life of a session that does not say; use does not lengthen it',
  ),
  sessionMaxBytes: setting(
    'sessions.max_bytes',
    'SESSION_MAX_BYTES',
    bytes(2 ** 10, 256 * 2 ** 20),
    4 * 2 ** 20,
    'Largest session, context included',
    '4MiB',
  ),
  sessionWaitMs: time(
    'sessions.wait',
    'SESSION_WAIT',
    [0, hour],
    30_000,
    'How long a call waits for another one on its session',
  ),
  sessionLeaseMs: time(
    'sessions.lease',
    'SESSION_LEASE',
    [500, hour],
    30_000,
    'After how long the session of a gateway that died is free for other calls',
  ),
} as const;
