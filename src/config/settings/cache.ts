import { atStart, hour, setting, time } from '../setting.ts';
import { bytes, flag, wholeNumber } from '../values.ts';

/** Answers that are given again. */
export const cacheSettings = {
  cacheEnabled: atStart(
    setting('cache.enabled', 'CACHE', flag, false, 'Whether equal requests get the answer of the first one'),
  ),
  cacheTtlMs: time(
    'cache.ttl',
    'CACHE_DEFAULT_TTL',
    [1_000, 720 * hour],
    hour,
    'How long an answer is given again',
  ),
  cacheMaxSize: atStart(
    setting(
      'cache.max_size',
      'CACHE_MAX_SIZE',
      wholeNumber(1, 1_000_000),
      1_000,
      'Answers that are kept; others make room for new ones',
    ),
  ),
  cacheMaxBytes: atStart(
    setting(
      'cache.max_bytes',
      'CACHE_MAX_BYTES',
      bytes(2 ** 20, 2 ** 40),
      64 * 2 ** 20,
      'Memory for them',
      '64MiB',
    ),
  ),
  cacheMaxEntryBytes: setting(
    'cache.max_entry_bytes',
    'CACHE_MAX_ENTRY_BYTES',
    bytes(2 ** 10, 64 * 2 ** 20),
    2 ** 20,
    'Largest answer that is kept',
    '1MiB',
  ),
  cacheDeterministicOnly: setting(
    'cache.deterministic_only',
    'CACHE_DETERMINISTIC_ONLY',
    flag,
    false,
    'Whether only answers to chats with temperature 0 are kept',
  ),
} as const;
