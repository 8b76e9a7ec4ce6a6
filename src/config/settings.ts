import { address, bytes, duration, list, oneOf, text, type ValueReader, wholeNumber } from './values.ts';

/** One setting: where it is read from, what it may be, and what it means. The README's table is made of these. */
export interface Setting<T = unknown> {
  /** Place in the YAML file. */
  readonly path: string;
  /** Environment variables, the first one set wins. */
  readonly env: readonly string[];
  readonly read: ValueReader<T>;
  /** Value when it is set nowhere. */
  readonly fallback: T;
  /** Its default as the table shows it. */
  readonly shownDefault: string;
  /** What it means. */
  readonly doc: string;
}

const setting = <T>(
  path: string,
  env: string | readonly string[],
  read: ValueReader<T>,
  fallback: T,
  doc: string,
  shownDefault = String(fallback ?? ''),
): Setting<T> => ({ path, env: typeof env === 'string' ? [env] : env, read, fallback, doc, shownDefault });

const hour = 3_600_000;
const prefixed = (name: string): string => `LLM_GATEWAY_${name}`;

export const logLevels = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof logLevels)[number];
export const environments = ['development', 'staging', 'production'] as const;

/** All settings but those of providers and models. */
export const settings = {
  host: setting('server.host', prefixed('HOST'), text, '0.0.0.0', 'Address to listen on'),
  port: setting(
    'server.port',
    prefixed('PORT'),
    wholeNumber(0, 65_535),
    8080,
    'Port for all faces; 0 picks a free one',
  ),
  tlsCert: setting(
    'server.tls.cert',
    prefixed('TLS_CERT'),
    text,
    '',
    'PEM file of the certificate; with `TLS_KEY` it turns TLS on',
  ),
  tlsKey: setting('server.tls.key', prefixed('TLS_KEY'), text, '', 'PEM file of its key'),
  corsOrigins: setting(
    'server.cors.origins',
    prefixed('CORS_ORIGINS'),
    list,
    null as readonly string[] | null,
    'Web origins whose pages may call, or `*`',
    '`*` in development, else none',
  ),
  maxBodyBytes: setting(
    'server.max_body_bytes',
    prefixed('MAX_BODY_BYTES'),
    bytes(1_024, 2 ** 30),
    32 * 2 ** 20,
    'Largest request body, decompressed',
    '32MiB',
  ),
  headersTimeoutMs: setting(
    'server.headers_timeout',
    prefixed('HEADERS_TIMEOUT_SECONDS'),
    duration(1, hour),
    30_000,
    "Time for a request's headers to arrive",
    '30s',
  ),
  requestTimeoutMs: setting(
    'server.request_timeout',
    prefixed('REQUEST_TIMEOUT_SECONDS'),
    duration(1, hour),
    300_000,
    'Time for a whole request to arrive',
    '5m',
  ),
  keepAliveTimeoutMs: setting(
    'server.keep_alive_timeout',
    prefixed('KEEP_ALIVE_TIMEOUT_SECONDS'),
    duration(1, hour),
    75_000,
    'How long an idle HTTP/1 connection is kept',
    '75s',
  ),
  maxConnections: setting(
    'server.max_connections',
    prefixed('MAX_CONNECTIONS'),
    wholeNumber(0, 1_000_000),
    0,
    "Most open connections; 0 for no bound but the system's",
  ),
  sseKeepAliveMs: setting(
    'server.sse_keep_alive',
    prefixed('SSE_KEEP_ALIVE_SECONDS'),
    duration(10, hour),
    15_000,
    "After how much silence a stream's client gets a comment",
    '15s',
  ),
  drainTimeoutMs: setting(
    'server.drain_timeout',
    prefixed('DRAIN_TIMEOUT_SECONDS'),
    duration(0, hour),
    30_000,
    'How long streams may go on after SIGTERM',
    '30s',
  ),
  environment: setting(
    'environment',
    [prefixed('ENVIRONMENT'), prefixed('ENV')],
    oneOf(environments),
    'development',
    'development, staging or production',
  ),
  serviceName: setting('service.name', prefixed('SERVICE_NAME'), text, 'llm-gateway', 'Name in logs'),
  version: setting(
    'service.version',
    prefixed('VERSION'),
    text,
    '',
    'Version in logs and `/health`',
    "the package's",
  ),
  logLevel: setting(
    'log.level',
    prefixed('LOG_LEVEL'),
    oneOf(logLevels, { warning: 'WARN' }),
    'INFO' as LogLevel,
    'DEBUG, INFO, WARN or ERROR',
  ),
  defaultProvider: setting(
    'default_provider',
    prefixed('DEFAULT_PROVIDER'),
    text,
    'inference',
    'Provider of models that no rule knows',
  ),
  modelsFile: setting(
    'models_file',
    prefixed('MODELS'),
    text,
    '',
    'The catalogue',
    "the package's `config/models.yaml`",
  ),
  connectTimeoutMs: setting(
    'upstream.connect_timeout',
    prefixed('UPSTREAM_CONNECT_TIMEOUT_SECONDS'),
    duration(1, hour),
    10_000,
    'Until a connection to a provider stands',
    '10s',
  ),
  firstByteTimeoutMs: setting(
    'upstream.first_byte_timeout',
    prefixed('UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS'),
    duration(1, hour),
    120_000,
    'From the sent request to the first byte of the answer',
    '2m',
  ),
  idleTimeoutMs: setting(
    'upstream.idle_timeout',
    prefixed('UPSTREAM_IDLE_TIMEOUT_SECONDS'),
    duration(1, hour),
    120_000,
    'Longest silence within an answer',
    '2m',
  ),
  totalTimeoutMs: setting(
    'upstream.total_timeout',
    prefixed('UPSTREAM_TOTAL_TIMEOUT_SECONDS'),
    duration(1, 24 * hour),
    600_000,
    'Longest whole call, stream included',
    '10m',
  ),
  discoveryIntervalMs: setting(
    'upstream.discovery_interval',
    prefixed('DISCOVERY_INTERVAL_SECONDS'),
    duration(1_000, 24 * hour),
    60_000,
    'How often local servers are asked for their models',
    '60s',
  ),
} as const;

export type SettingName = keyof typeof settings;
export type SettingValues = {
  readonly [K in SettingName]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

/** A provider's own settings in the environment, besides its key. */
export const providerBaseUrl = (name: string): string => prefixed(`${name.toUpperCase()}_BASE_URL`);
export { address };
