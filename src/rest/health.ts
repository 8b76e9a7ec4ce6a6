import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { GetHealthResponse } from '../../gen/llmgateway/v1/admin_service_pb.js';
import type { HealthApi } from '../rpc/health-api.ts';
import { type RestHandler, sendJson } from './exchange.ts';

/** GET /: what this is. */
export const serviceInfo =
  (api: HealthApi): RestHandler =>
  (exchange) => {
    const { service, version } = api.facts();
    sendJson(exchange, 200, JSON.stringify({ service, version }));
  };

/** GET /health: the process answers. Asks nobody else. */
export const health =
  (api: HealthApi): RestHandler =>
  (exchange) => {
    const { service, version, environment, uptimeSeconds, modelsAvailable } = api.facts();
    const body = {
      status: 'healthy',
      service,
      version,
      timestamp: new Date().toISOString(),
      uptime_seconds: uptimeSeconds,
      environment,
      models_available: modelsAvailable,
      inference_service: 'unchecked',
    };
    sendJson(exchange, 200, JSON.stringify(body));
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

const textOf = (time: GetHealthResponse['time']): string | null =>
  time === undefined ? null : timestampDate(time).toISOString();

function detailedJson(found: GetHealthResponse): Record<string, unknown> {
  const { memory, load } = found;
  return {
    status: found.status,
    readiness: found.readiness,
    service: found.service,
    version: found.version,
    environment: found.environment,
    timestamp: textOf(found.time),
    uptime: found.uptimeSeconds,
    uptime_seconds: found.uptimeSeconds,
    models_available: found.modelsAvailable,
    inference_service: found.inferenceService,
    checks: Object.fromEntries(
      found.checks.map(({ name, healthy, critical, latencyMs, checkedAt }) => [
        name,
        { healthy, critical, latency_ms: Math.round(latencyMs * 10) / 10, last_checked: textOf(checkedAt) },
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
        name,
        { available, status, last_checked: textOf(lastChecked), ...(error === '' ? {} : { error }) },
      ]),
    ),
    circuit_breakers: Object.fromEntries(
      found.breakers.map(({ name, state, failures }) => [name, { state, failures }]),
    ),
  };
}
