import { atStart, hour, setting, time } from '../setting.ts';
import { bytes, text, wholeNumber } from '../values.ts';

/** Models and the way to providers. Providers themselves are in ../providers.ts. */
export const upstreamSettings = {
  defaultProvider: setting(
    'default_provider',
    'DEFAULT_PROVIDER',
    text,
    'inference',
    'Provider of models that no rule knows',
  ),
  modelsFile: setting(
    'models_file',
    'MODELS',
    text,
    '',
    'The catalogue; `models` in the file adds to it',
    "the package's `config/models.yaml`",
  ),
  connectTimeoutMs: time(
    'upstream.connect_timeout',
    'UPSTREAM_CONNECT_TIMEOUT',
    [1, hour],
    10_000,
    'Until a connection to a provider takes the request',
  ),
  firstByteTimeoutMs: time(
    'upstream.first_byte_timeout',
    'UPSTREAM_FIRST_BYTE_TIMEOUT',
    [1, hour],
    120_000,
    'From the sent request to the first byte of the answer',
  ),
  idleTimeoutMs: time(
    'upstream.idle_timeout',
    'UPSTREAM_IDLE_TIMEOUT',
    [1, hour],
    120_000,
    'Longest silence within an answer',
  ),
  totalTimeoutMs: time(
    'upstream.total_timeout',
    'UPSTREAM_TOTAL_TIMEOUT',
    [1, 24 * hour],
    600_000,
    'Longest whole call, stream included',
  ),
  upstreamConnections: atStart(
    setting(
      'upstream.max_connections',
      'UPSTREAM_MAX_CONNECTIONS',
      wholeNumber(1, 65_535),
      2_048,
      'Most connections to one provider, one for each call under way; as many calls may wait for one',
    ),
  ),
  keyRestMs: time(
    'upstream.key_rest',
    'UPSTREAM_KEY_REST',
    [1_000, 24 * hour],
    600_000,
    'How long one of several keys of a provider is set aside once the provider has refused it',
  ),
  discoveryIntervalMs: time(
    'upstream.discovery_interval',
    'DISCOVERY_INTERVAL',
    [1_000, 24 * hour],
    60_000,
    'How often providers that can be asked are asked for their models',
  ),
  reasoningStateBytes: atStart(
    setting(
      'reasoning_state.max_bytes',
      'REASONING_STATE_MAX_BYTES',
      bytes(0, 2 ** 34),
      64 * 2 ** 20,
      'Memory for what providers want back with the results of tool calls and clients of other APIs leave out (signatures of thoughts, reasoning); 0 turns it off',
      '64MiB',
    ),
  ),
  reasoningStateTtlMs: atStart(
    time(
      'reasoning_state.ttl',
      'REASONING_STATE_TTL',
      [1_000, 720 * hour],
      24 * hour,
      'How long that is kept after its last use',
    ),
  ),
} as const;
