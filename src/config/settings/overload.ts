import { atStart, setting, time } from '../setting.ts';
import { bytes, flag, fraction, listOrNone, wholeNumber } from '../values.ts';

/** What the gateway takes on at once, and how it tells of its health. */
export const overloadSettings = {
  memoryThresholdMb: setting(
    'overload.memory_threshold_mb',
    'MEMORY_THRESHOLD_MB',
    wholeNumber(32, 1_048_576),
    1_024,
    "Resident memory, in MiB, from which on new calls get 503. A container's limit counts, too: 90 % of it, where that is less",
  ),
  memorySoftShare: setting(
    'overload.memory_soft_limit_percent',
    'MEMORY_SOFT_LIMIT_PERCENT',
    fraction(0.1, 1),
    0.8,
    'Share of it from which on what is remembered shrinks and background responses wait',
  ),
  maxConcurrentRequests: setting(
    'overload.max_concurrent_requests',
    'MAX_CONCURRENT_REQUESTS',
    wholeNumber(1, 1_000_000),
    4_096,
    'Most calls at the same time, streams until they end; further ones wait',
  ),
  queueSize: setting(
    'overload.queue_size',
    'QUEUE_SIZE',
    wholeNumber(0, 1_000_000),
    512,
    'Most calls that wait; further ones get 503',
  ),
  queueTimeoutMs: time('overload.queue_timeout', 'QUEUE_TIMEOUT', [1, 600_000], 5_000, 'How long they wait'),
  queueWarningThreshold: setting(
    'overload.queue_warning_threshold',
    'QUEUE_WARNING_THRESHOLD',
    wholeNumber(1, 1_000_000),
    30,
    'Waiting calls from which on the log warns, once',
  ),
  maxBodyBytesInFlight: setting(
    'overload.max_body_bytes_in_flight',
    'MAX_BODY_BYTES_IN_FLIGHT',
    bytes(2 ** 10, 2 ** 40),
    256 * 2 ** 20,
    'Bodies of all calls under way together; further calls wait',
    '256MiB',
  ),
  writeTimeoutMs: atStart(
    time(
      'server.write_timeout',
      'WRITE_TIMEOUT',
      [10, 3_600_000],
      60_000,
      'A client that takes nothing of its answer for so long is cut off',
    ),
  ),
  loadHeaders: atStart(
    setting(
      'overload.headers',
      'LOAD_HEADERS',
      flag,
      true as boolean,
      'Whether REST replies say `X-Memory-RSS-MB`, `X-Memory-Pressure` and `X-Active-Requests`',
    ),
  ),
  healthCritical: setting(
    'health.critical',
    'HEALTH_CRITICAL',
    listOrNone([
      'memory',
      'redis',
      'store',
      'cli_pool',
      'semantic_search',
      'ai_agents',
      'code_orchestrator',
      'inference_service',
      'cms',
    ]),
    ['memory', 'semantic_search', 'inference_service'] as readonly string[],
    'Checks without which the gateway is not ready, or `none`. Services are checked that have an address in the configuration',
    'memory,semantic_search,inference_service',
  ),
  healthTimeoutMs: time(
    'health.timeout',
    'HEALTH_TIMEOUT',
    [10, 60_000],
    3_000,
    'Longest wait for one check',
  ),
} as const;
