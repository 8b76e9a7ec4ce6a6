import { classMap } from '../limits.ts';
import { atStart, setting, time } from '../setting.ts';
import { duration, oneOf, wholeNumber } from '../values.ts';

const most = 1_000_000_000;

/** A limit of the default class. It has no fallback here, so that it can be told whether somebody set it. */
const ofDefault = (field: string, env: string, shown: number, doc: string) =>
  setting(
    `limits.classes.default.${field}`,
    env,
    wholeNumber(0, most),
    null as number | null,
    doc,
    String(shown),
  );

/** How much clients may ask for. */
export const limitSettings = {
  limitsMode: setting(
    'limits.mode',
    'RATE_LIMITS',
    oneOf(['auto', 'on', 'off']),
    'auto',
    'Whether requests and tokens are limited; auto: when keys or limits are configured',
  ),
  limitRequestsPerMinute: ofDefault(
    'requests_per_minute',
    'RATE_LIMIT_REQUESTS_PER_MINUTE',
    60,
    'Requests of an owner of class default within a minute; 0 for any number, as below',
  ),
  limitRequestsPerHour: ofDefault(
    'requests_per_hour',
    'RATE_LIMIT_REQUESTS_PER_HOUR',
    1_000,
    'The same within an hour',
  ),
  limitTokensPerMinute: ofDefault(
    'tokens_per_minute',
    'RATE_LIMIT_TOKENS_PER_MINUTE',
    50_000,
    'Its tokens within a minute, input and output',
  ),
  limitBurst: ofDefault('burst_limit', 'RATE_LIMIT_BURST_LIMIT', 10, 'Its requests within a second'),
  limitCooldownMs: setting(
    'limits.classes.default.cooldown',
    'RATE_LIMIT_COOLDOWN_SECONDS',
    duration(0, 86_400_000),
    null as number | null,
    'How long it is refused when it has exceeded that',
    '60s',
  ),
  limitConcurrent: ofDefault('concurrent', 'RATE_LIMIT_CONCURRENT', 0, 'Its calls at the same time'),
  limitGlobalPerMinute: setting(
    'limits.global.requests_per_minute',
    'RATE_LIMIT_GLOBAL_REQUESTS_PER_MINUTE',
    wholeNumber(0, most),
    null as number | null,
    'Requests of all together within a minute',
    '0',
  ),
  limitUsers: setting(
    'limits.users',
    'RATE_LIMIT_USER_CLASSES',
    classMap,
    {} as Readonly<Record<string, string>>,
    'Classes of single owners or ids of keys: `alice=premium,bob=enterprise`',
    '',
  ),
  limitLeaseMs: atStart(
    time(
      'limits.lease',
      'RATE_LIMIT_LEASE',
      [1_000, 600_000],
      30_000,
      'After which time the places are free of calls whose gateway has died',
    ),
  ),
  limitEmbedded: atStart(
    setting(
      'limits.embedded',
      'RATE_LIMIT_EMBEDDED',
      oneOf(['memory', 'file']),
      'memory',
      'Where limits are counted, and budgets decided on, without a Redis: in the process, or in the data folder, at once, which processes share and which survives a restart',
    ),
  ),
  limitOutageShare: setting(
    'limits.outage_share',
    'RATE_LIMIT_OUTAGE_SHARE',
    wholeNumber(1, 100),
    100,
    'Percentage of each limit that a gateway gives out by itself while Redis is out of reach',
  ),
} as const;
