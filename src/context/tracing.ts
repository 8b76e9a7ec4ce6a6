import { hostname } from 'node:os';
import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { startTracing } from '../observability/otlp.ts';
import type { Tracing } from '../observability/tracing.ts';

/** Null where no collector is configured: nothing of it is loaded then. */
export function createTracing(
  initial: Config,
  config: () => Config,
  metrics: Metrics | null,
  log: Logger,
): Tracing | null {
  const { tracesEnabled, tracesEndpoint: endpoint, tracesHeaders, tracesSampleRatio: sampleRatio } = initial;
  if (!tracesEnabled || endpoint === '') return null;
  return startTracing({
    endpoint,
    sampleRatio,
    headers: Object.fromEntries(
      Object.entries(tracesHeaders).map(([name, value]) => [name, value.reveal()] as const),
    ),
    resource: {
      'service.name': initial.serviceName,
      'service.version': initial.version,
      'deployment.environment.name': initial.environment,
      'host.name': hostname(),
      'process.pid': process.pid,
    },
    content: () => config().tracesContent,
    propagate: () => config().tracesPropagate,
    log: log.module('traces'),
    onSent: (count, taken) => metrics?.spansSent(count, taken),
  });
}
