import { environments, type LogLevel, logLevel } from '../log-level.ts';
import { atStart, hour, setting, time } from '../setting.ts';
import { bytes, host, oneOf, origins, text, wholeNumber, workerCount } from '../values.ts';

/** The port and the process: what clients meet first. */
export const serverSettings = {
  host: atStart(setting('server.host', 'HOST', host, '0.0.0.0', 'Address to listen on')),
  port: atStart(
    setting('server.port', 'PORT', wholeNumber(0, 65_535), 8080, 'Port for all faces; 0 picks a free one'),
  ),
  workers: atStart(
    setting(
      'server.workers',
      'WORKERS',
      workerCount,
      1,
      'Processes that serve the port; `auto`: one for each processor core',
    ),
  ),
  tlsCert: atStart(
    setting(
      'server.tls.cert',
      'TLS_CERT',
      text,
      '',
      'PEM file of the certificate; turns TLS on, together with the key. To turn it on or off takes a restart',
    ),
    (file) => file !== '',
  ),
  tlsKey: setting('server.tls.key', 'TLS_KEY', text, '', 'PEM file of its private key'),
  corsOrigins: atStart(
    setting(
      'server.cors.origins',
      'CORS_ORIGINS',
      origins,
      null as readonly string[] | null,
      'Web origins whose pages may call, or `*`',
      '`*` in development, else none',
    ),
  ),
  maxBodyBytes: atStart(
    setting(
      'server.max_body_bytes',
      'MAX_BODY_BYTES',
      bytes(2 ** 10, 2 ** 30),
      32 * 2 ** 20,
      'Largest request body, decompressed',
      '32MiB',
    ),
  ),
  headersTimeoutMs: atStart(
    time(
      'server.headers_timeout',
      'HEADERS_TIMEOUT',
      [1, hour],
      30_000,
      "Time for a request's headers to arrive",
    ),
  ),
  requestTimeoutMs: atStart(
    time(
      'server.request_timeout',
      'REQUEST_TIMEOUT',
      [1, hour],
      300_000,
      'Time for a whole request to arrive',
    ),
  ),
  keepAliveTimeoutMs: atStart(
    time(
      'server.keep_alive_timeout',
      'KEEP_ALIVE_TIMEOUT',
      [1, hour],
      75_000,
      'How long an idle HTTP/1 connection is kept',
    ),
  ),
  maxConnections: atStart(
    setting(
      'server.max_connections',
      'MAX_CONNECTIONS',
      wholeNumber(0, 1_000_000),
      0,
      "Most open connections; 0 for no bound but the system's",
    ),
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
  environment: atStart(
    setting(
      'environment',
      ['ENVIRONMENT', 'ENV'],
      oneOf(environments),
      'development',
      'Where this gateway runs; sets the default of the CORS origins',
    ),
  ),
  serviceName: atStart(
    setting('service.name', 'SERVICE_NAME', text, 'llm-gateway', 'Name in logs and `GET /health`'),
  ),
  version: atStart(
    setting('service.version', 'VERSION', text, '', 'Version in `GET /health`', "the package's"),
  ),
  logLevel: setting(
    'log.level',
    'LOG_LEVEL',
    logLevel,
    'INFO' as LogLevel,
    'Least level of the log; `log.modules` in the file sets that of single modules',
  ),
} as const;
