import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { GetHealthResponse } from '../../gen/llmgateway/v1/admin_service_pb.js';
import type { HealthApi } from '../rpc/health-api.ts';
import { shownProvider } from '../rpc/query-providers.ts';
import { cliPoolJson } from './cli-sessions.ts';
import { type RestHandler, sendJson } from './exchange.ts';

/** GET /: what this is. */
export const serviceInfo =
  (api: HealthApi): RestHandler =>
  (exchange) => {
    const { service, version } = api.facts();
    sendJson(exchange, 200, JSON.stringify({ service, version }));
  };

/**
 * GET /health: the process answers. Asks nobody else, but for the other processes where there are sessions with a command-line program: with none of those alive, where
 * all hangs on them, it is 503.
 */
export const health =
  (api: HealthApi): RestHandler =>
  async (exchange) => {
    const { service, version, environment, uptimeSeconds, modelsAvailable, backend, cache } = api.facts();
    const pool = await api.cliPool();
    // One that is being started for the umpteenth time is no sign of life; one that makes room for the next is.
    const none =
      pool === null ||
      (pool.idle + pool.busy === 0 && (pool.starting + pool.recycling === 0 || pool.degraded));
    const dead = none && backend === 'cli';
    const body = {
      status: dead ? 'unhealthy' : pool?.degraded ? 'degraded' : 'healthy',
      service,
      version,
      timestamp: new Date().toISOString(),
      uptime_seconds: uptimeSeconds,
      environment,
      models_available: modelsAvailable,
      inference_service: 'unchecked',
      backend,
      pool: pool && cliPoolJson(pool),
      cache,
    };
    sendJson(exchange, dead ? 503 : 200, JSON.stringify(body));
  };

/** GET /health/live: the process answers. */
export const live: RestHandler = (exchange) =>
  sendJson(exchange, 200, JSON.stringify({ status: 'alive', timestamp: new Date().toISOString() }));

/** GET /health/ready: 503 when something critical is missing, and from the beginning of a drain. */
export const ready =
  (api: HealthApi): RestHandler =>
  async (exchange) => {
    const { status, checks, modelsAvailable } = await api.readiness();
    // Without a Redis none is missed.
    const body = { status, checks: { redis: true, ...checks }, models_available: modelsAvailable };
    sendJson(exchange, status === 'not_ready' ? 503 : 200, JSON.stringify(body));
  };

/** GET /health/detailed: 503 when there is no memory for calls, or a critical inference service is down. */
export const detailed =
  (api: HealthApi): RestHandler =>
  async (exchange) => {
    const found = await api.detailed(exchange.principal);
    const isMissing = found.checks.some(({ name, healthy, critical }) => {
      return name === 'inference_service' && critical && !healthy;
    });
    const status = isMissing || found.memory?.pressure === 'critical' ? 503 : 200;
    sendJson(exchange, status, JSON.stringify(detailedJson(found)));
  };

/** In seconds since 1970, as the documentation platform has times. */
const secondsOf = (time: GetHealthResponse['time']): number | null =>
  time === undefined ? null : timestampDate(time).getTime() / 1_000;

function detailedJson(found: GetHealthResponse): Record<string, unknown> {
  const { memory, load } = found;
  return {
    status: found.status,
    readiness: found.readiness,
    service: found.status,
    version: found.version,
    environment: found.environment,
    timestamp: secondsOf(found.time),
    uptime: found.uptimeSeconds,
    uptime_seconds: found.uptimeSeconds,
    models_available: found.modelsAvailable,
    inference_service: found.inferenceService,
    checks: Object.fromEntries(
      found.checks.map(({ name, healthy, critical, latencyMs, checkedAt }) => [
        name,
        {
          healthy,
          critical,
          latency_ms: Math.round(latencyMs * 10) / 10,
          last_checked: secondsOf(checkedAt),
        },
      ]),
    ),
    memory: memory && {
      rss_mb: memory.rssMb,
      vms_mb: memory.vmsMb,
      peak_mb: memory.peakMb,
      threshold_mb: memory.thresholdMb,
      soft_limit_mb: memory.softLimitMb,
      usage_percent: memory.usagePercent,
      pressure: memory.pressure,
      heap_used_mb: memory.heapUsedMb,
      heap_limit_mb: memory.heapLimitMb,
    },
    backpressure: load && {
      active_requests: load.activeRequests,
      max_concurrent: load.maxConcurrent,
      waiting_requests: load.waitingRequests,
      queue_utilization_percent: load.queueUtilizationPercent,
      accepting_requests: load.acceptingRequests,
      body_bytes_in_flight: Number(load.bodyBytesInFlight),
    },
    providers: Object.fromEntries(
      found.providers.map(({ name, available, status, lastChecked, error }) => [
        shownProvider(name),
        {
          available,
          status,
          // Whether a key is set is looked at now.
          last_checked: secondsOf(lastChecked ?? found.time),
          ...(error === '' ? {} : { error }),
        },
      ]),
    ),
    ...(found.cliPool === undefined ? {} : { cli_pool: cliPoolJson(found.cliPool) }),
    ...(found.cache === undefined
      ? {}
      : {
          cache: {
            status: found.cache.status,
            total_entries: Number(found.cache.totalEntries),
            total_size_mb: Number((Number(found.cache.totalSizeBytes) / 2 ** 20).toFixed(2)),
          },
        }),
    ...(found.limiter === undefined
      ? {}
      : {
          rate_limiter: {
            active_users: Number(found.limiter.activeOwners),
            global_requests_last_minute: Number(found.limiter.requestsLastMinute),
          },
        }),
    ...(found.integrations.length === 0
      ? {}
      : {
          service_integrations: Object.fromEntries(
            found.integrations.map(({ name, status, error }) => [
              name,
              { status, ...(error === '' ? {} : { error }) },
            ]),
          ),
        }),
    circuit_breakers: Object.fromEntries(
      found.breakers.map(({ name, state, failures }) => [name, { state, failures }]),
    ),
  };
}
