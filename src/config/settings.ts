import { type RedisAddress, redisAddress } from './redis-url.ts';
import {
  address,
  allowedBy,
  bytes,
  duration,
  flag,
  host,
  hostPatterns,
  oneOf,
  origins,
  percentages,
  shownTime,
  text,
  type ValueReader,
  wholeNumber,
} from './values.ts';

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
  /** What it may be, in words. */
  readonly allowed: string;
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
): Setting<T> => ({
  path,
  env: (typeof env === 'string' ? [env] : env).map(prefixed),
  read,
  fallback,
  doc,
  shownDefault,
  allowed: allowedBy(read),
});

/** A time limit; its variable says that it is in seconds. */
const time = (path: string, env: string, range: readonly [number, number], fallbackMs: number, doc: string) =>
  setting(path, `${env}_SECONDS`, duration(...range), fallbackMs, doc, shownTime(fallbackMs));

const hour = 3_600_000;
const prefixed = (name: string): string => `LLM_GATEWAY_${name}`;

export const logLevels = ['DEBUG', 'INFO', 'WARN', 'ERROR'] as const;
export type LogLevel = (typeof logLevels)[number];
export const logLevel = oneOf(logLevels, { warning: 'WARN' });
export const environments = ['development', 'staging', 'production'] as const;

/** All settings but those of providers and models. */
export const settings = {
  host: setting('server.host', 'HOST', host, '0.0.0.0', 'Address to listen on'),
  port: setting(
    'server.port',
    'PORT',
    wholeNumber(0, 65_535),
    8080,
    'Port for all faces; 0 picks a free one',
  ),
  tlsCert: setting(
    'server.tls.cert',
    'TLS_CERT',
    text,
    '',
    'PEM file of the certificate; turns TLS on, together with the key',
  ),
  tlsKey: setting('server.tls.key', 'TLS_KEY', text, '', 'PEM file of its private key'),
  corsOrigins: setting(
    'server.cors.origins',
    'CORS_ORIGINS',
    origins,
    null as readonly string[] | null,
    'Web origins whose pages may call, or `*`',
    '`*` in development, else none',
  ),
  maxBodyBytes: setting(
    'server.max_body_bytes',
    'MAX_BODY_BYTES',
    bytes(2 ** 10, 2 ** 30),
    32 * 2 ** 20,
    'Largest request body, decompressed',
    '32MiB',
  ),
  headersTimeoutMs: time(
    'server.headers_timeout',
    'HEADERS_TIMEOUT',
    [1, hour],
    30_000,
    "Time for a request's headers to arrive",
  ),
  requestTimeoutMs: time(
    'server.request_timeout',
    'REQUEST_TIMEOUT',
    [1, hour],
    300_000,
    'Time for a whole request to arrive',
  ),
  keepAliveTimeoutMs: time(
    'server.keep_alive_timeout',
    'KEEP_ALIVE_TIMEOUT',
    [1, hour],
    75_000,
    'How long an idle HTTP/1 connection is kept',
  ),
  maxConnections: setting(
    'server.max_connections',
    'MAX_CONNECTIONS',
    wholeNumber(0, 1_000_000),
    0,
    "Most open connections; 0 for no bound but the system's",
  ),
  sseKeepAliveMs: time(
    'server.sse_keep_alive',
    'SSE_KEEP_ALIVE',
    [10, hour],
    15_000,
    "After how much silence a stream's client gets a comment",
  ),
  drainTimeoutMs: time(
    'server.drain_timeout',
    'DRAIN_TIMEOUT',
    [0, hour],
    30_000,
    'How long calls may go on after SIGTERM',
  ),
  environment: setting(
    'environment',
    ['ENVIRONMENT', 'ENV'],
    oneOf(environments),
    'development',
    'Where this gateway runs; sets the default of the CORS origins',
  ),
  serviceName: setting('service.name', 'SERVICE_NAME', text, 'llm-gateway', 'Name in logs and `GET /health`'),
  version: setting('service.version', 'VERSION', text, '', 'Version in `GET /health`', "the package's"),
  logLevel: setting(
    'log.level',
    'LOG_LEVEL',
    logLevel,
    'INFO' as LogLevel,
    'Least level of the log; `log.modules` in the file sets that of single modules',
  ),
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
  upstreamConnections: setting(
    'upstream.max_connections',
    'UPSTREAM_MAX_CONNECTIONS',
    wholeNumber(1, 65_535),
    2_048,
    'Most connections to one provider, one for each call under way; as many calls may wait for one',
  ),
  discoveryIntervalMs: time(
    'upstream.discovery_interval',
    'DISCOVERY_INTERVAL',
    [1_000, 24 * hour],
    60_000,
    'How often providers that can be asked are asked for their models',
  ),
  reasoningStateBytes: setting(
    'reasoning_state.max_bytes',
    'REASONING_STATE_MAX_BYTES',
    bytes(0, 2 ** 34),
    64 * 2 ** 20,
    'Memory for what providers want back with the results of tool calls and clients of other APIs leave out (signatures of thoughts, reasoning); 0 turns it off',
    '64MiB',
  ),
  reasoningStateTtlMs: time(
    'reasoning_state.ttl',
    'REASONING_STATE_TTL',
    [1_000, 720 * hour],
    24 * hour,
    'How long that is kept after its last use',
  ),
  redisUrl: setting(
    'store.redis.url',
    'REDIS_URL',
    redisAddress,
    null as RedisAddress | null,
    'Redis for what gateways share; without it each keeps its own in the data folder',
  ),
  redisTimeoutMs: time(
    'store.redis.timeout',
    'REDIS_TIMEOUT',
    [10, 200],
    200,
    'Longest wait for an answer of Redis',
  ),
  dataDir: setting(
    'store.data_dir',
    'DATA_DIR',
    text,
    './data',
    'Folder of the embedded store; made when it is first needed',
  ),
  dataMaxBytes: setting(
    'store.data_max_bytes',
    'DATA_MAX_BYTES',
    bytes(2 ** 20, 2 ** 40),
    4 * 2 ** 30,
    'Largest file of the embedded store',
    '4GiB',
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
  toolTimeoutMs: time(
    'tool_execution.timeout',
    'TOOL_TIMEOUT',
    [100, hour],
    30_000,
    'Longest run of a tool that has no limit of its own',
  ),
  toolMaxResultBytes: setting(
    'tool_execution.max_result_bytes',
    'TOOL_MAX_RESULT_BYTES',
    bytes(2 ** 10, 64 * 2 ** 20),
    2 ** 20,
    'Largest result of a tool',
    '1MiB',
  ),
  toolMaxConcurrent: setting(
    'tool_execution.max_concurrent',
    'TOOL_MAX_CONCURRENT',
    wholeNumber(1, 65_535),
    256,
    'Tools that run at the same time; a call of one more fails',
  ),
  toolAllowedHosts: setting(
    'tool_registration.allowed_hosts',
    'TOOL_ALLOWED_HOSTS',
    hostPatterns,
    [] as readonly string[],
    'Hosts that tools registered at run time may be at: `api.example.com`, `*.example.com`, with `:port` where it is not the usual one; without any, none can be registered',
    '',
  ),
  toolPrivateAddresses: setting(
    'tool_registration.private_addresses',
    'TOOL_PRIVATE_ADDRESSES',
    flag,
    false,
    'Whether these hosts may have private, loopback and other addresses that are not of the public network, and be spoken to without TLS',
  ),
  mcpExpose: setting(
    'mcp.expose',
    'MCP_EXPOSE',
    oneOf(['own', 'all', 'none']),
    'own',
    'Tools that `/mcp` offers to MCP clients: `own` leaves out those of other MCP servers, `none` turns it off',
  ),
  semanticSearchUrl: setting(
    'services.semantic_search.url',
    'SEMANTIC_SEARCH_URL',
    address,
    'http://localhost:8081',
    'Address of the semantic-search service, which search tools ask',
  ),
  semanticSearchTimeoutMs: time(
    'services.semantic_search.timeout',
    'SEMANTIC_SEARCH_TIMEOUT',
    [1_000, 300_000],
    30_000,
    'Longest wait for that service, and for ai-agents',
  ),
  searchTaxonomyEnabled: setting(
    'services.semantic_search.taxonomy',
    'SEARCH_TAXONOMY_ENABLED',
    flag,
    false as boolean,
    'Whether that service takes `taxonomy`; without this it is not sent, because services that do not know it refuse the search',
  ),
  aiAgentsUrl: setting(
    'services.ai_agents.url',
    'AI_AGENTS_URL',
    address,
    'http://localhost:8082',
    'Address of the ai-agents service, which tools for reviews and references ask',
  ),
  codeOrchestratorUrl: {
    ...setting(
      'services.code_orchestrator.url',
      'CODE_ORCHESTRATOR_URL',
      address,
      'http://localhost:8083',
      'Address of the code-orchestrator service, which tools for terms and similarity ask',
    ),
    env: [prefixed('CODE_ORCHESTRATOR_URL'), 'CODE_ORCHESTRATOR_URL'],
  },
  codeOrchestratorTimeoutMs: time(
    'services.code_orchestrator.timeout',
    'CODE_ORCHESTRATOR_TIMEOUT',
    [1_000, 300_000],
    30_000,
    'Longest wait for that service',
  ),
  serviceMaxAnswerBytes: setting(
    'services.max_answer_bytes',
    'SERVICE_MAX_ANSWER_BYTES',
    bytes(2 ** 10, 2 ** 28),
    16 * 2 ** 20,
    'Largest answer of one of these services',
    '16MiB',
  ),
  cmsUrl: {
    ...setting('cms.url', 'CMS_URL', address, '', 'Context management service; without it none is asked'),
    env: [prefixed('CMS_URL'), 'CMS_URL'],
  },
  cmsEnabled: setting(
    'cms.enabled',
    'CMS_ENABLED',
    flag,
    null as boolean | null,
    'Whether calls of tier 3 and 4 need that service',
    '`true` with its address, else `false`',
  ),
  cmsTimeoutMs: time('cms.timeout', 'CMS_TIMEOUT', [500, 30_000], 5_000, 'Longest wait for that service'),
  cmsTierShares: setting(
    'cms.tier_shares',
    'CMS_TIER_SHARES',
    percentages(3),
    [25, 50, 75] as readonly number[],
    "Where tiers 2, 3 and 4 begin, in percent of the model's context",
    '25,50,75',
  ),
  cmsProcessEnabled: setting(
    'cms.process_enabled',
    'CMS_PROCESS_ENABLED',
    flag,
    false as boolean,
    'Whether that service may shorten prompts',
  ),
  breakerFailures: setting(
    'circuit_breaker.failure_threshold',
    'CIRCUIT_BREAKER_FAILURE_THRESHOLD',
    wholeNumber(1, 100),
    5,
    'Failures of a service in a row after which it is not asked for a while',
  ),
  breakerRecoveryMs: time(
    'circuit_breaker.recovery_timeout',
    'CIRCUIT_BREAKER_RECOVERY_TIMEOUT',
    [1_000, 600_000],
    30_000,
    'How long it is not asked then; after that one call tries',
  ),
  toolMaxRounds: setting(
    'tool_execution.max_rounds',
    'TOOL_MAX_ROUNDS',
    wholeNumber(1, 10),
    10,
    'How often, in one call, the gateway runs its tools for the model and asks it again',
  ),
  toolStateBytes: setting(
    'tool_execution.state_max_bytes',
    'TOOL_STATE_MAX_BYTES',
    bytes(0, 2 ** 34),
    16 * 2 ** 20,
    'Memory for what the gateway ran beside the tools of clients that keep their conversations themselves; 0 turns it off',
    '16MiB',
  ),
  toolStateTtlMs: time(
    'tool_execution.state_ttl',
    'TOOL_STATE_TTL',
    [1_000, 720 * hour],
    24 * hour,
    'How long that is kept after its last use',
  ),
} as const;

export type SettingName = keyof typeof settings;
export type SettingValues = {
  readonly [K in SettingName]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

/** The settings as a list, without their types. */
export const allSettings: readonly (readonly [SettingName, Setting])[] = Object.entries(
  settings as unknown as Record<SettingName, Setting>,
) as [SettingName, Setting][];
