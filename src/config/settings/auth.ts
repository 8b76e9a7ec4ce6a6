import { Secret } from '../secret.ts';
import { alsoAs, setting, time } from '../setting.ts';
import { flag, type ValueReader, Wrong } from '../values.ts';

/** A bearer token: what a header can hold, and long enough not to be guessed. */
const token: ValueReader<Secret | null> = (raw) =>
  typeof raw === 'string' && /^[\x21-\x7e]{16,4096}$/.test(raw.trim())
    ? new Secret(raw.trim())
    : new Wrong('a token of 16 to 4096 characters of printable ASCII without spaces');

/** Who may call. Keys and issuers of tokens are lists of the file. */
export const authSettings = {
  adminToken: {
    ...alsoAs(
      setting(
        'auth.admin_token',
        'ADMIN_TOKEN',
        token,
        null as Secret | null,
        'Bearer token of AdminService and the routes of administrators; without it they are closed to all but keys and tokens with `admin`',
      ),
      'ADMIN_TOKEN',
    ),
    secret: true,
  },
  authRequired: setting(
    'auth.required',
    'AUTH_REQUIRED',
    flag,
    null as boolean | null,
    'Whether calls need a key or token; what is always open is in docs/operations.md',
    '`true` when keys or issuers of tokens are configured',
  ),
  metricsOpen: setting(
    'auth.metrics_open',
    'METRICS_OPEN',
    flag,
    true,
    'Whether `GET /metrics` needs none even then',
  ),
  keyCacheMs: time(
    'auth.key_cache',
    'KEY_CACHE',
    [0, 60_000],
    5_000,
    'How long a gateway relies on what it has read of a key: a revocation takes effect everywhere within this time',
  ),
  keyGraceMs: time(
    'auth.key_grace',
    'KEY_GRACE',
    [0, 86_400_000],
    300_000,
    'How long keys that were in use go on while the store is out of reach',
  ),
} as const;
