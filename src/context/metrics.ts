import type { AnswerCache } from '../cache/answer-cache.ts';
import type { Config } from '../config/load.ts';
import type { UpstreamClient } from '../http/client.ts';
import type { Reading } from '../observability/families.ts';
import { Metrics, stateNumber } from '../observability/metrics.ts';
import type { Targets } from '../resilience/targets.ts';
import type { Port } from '../server/port.ts';
import type { Settled } from './settled.ts';

/** Everything that is counted; null when nothing is. */
export function createMetrics({ metricsEnabled }: Config, settled: () => Settled): Metrics | null {
  if (!metricsEnabled) return null;
  return new Metrics({ process: true, isKnown: (provider, model) => isKnown(settled(), provider, model) });
}

/** Whether a name is one of ours: of the catalogue, a provider's list or the configuration. */
function isKnown({ config, models }: Settled, provider: string, model: string): boolean {
  if (provider !== '') return models.knows(provider, model) || isConfigured(config, model);
  if (isConfigured(config, model)) return true;
  try {
    return models.resolve(model) !== null;
  } catch {
    return false;
  }
}

const isConfigured = ({ deployments, fallbacks, contextFallbacks }: Config, model: string): boolean =>
  deployments.some(
    ({ name, members }) =>
      name === model || members.some(({ model: member }) => member === model || member.endsWith(`/${model}`)),
  ) ||
  [fallbacks, contextFallbacks].some((chains) =>
    [...chains].some(([from, to]) => from === model || to.includes(model)),
  );

/** What the metrics watch. Whoever has something to count is connected here, and nowhere else. */
export interface Watched {
  readonly targets: Targets;
  /** Null: no answers are kept. */
  readonly cache: AnswerCache | null;
  readonly clients: Readonly<Record<string, UpstreamClient>>;
  readonly port: Port;
  /** See Stores.well. */
  readonly storeWell: () => boolean | null;
}

/** Connects the parts that tell of themselves, and the numbers that are read at each scrape. */
export function watch(metrics: Metrics, { targets, cache, clients, port, storeWell }: Watched): void {
  const circuit = ({ provider, upstreamModel }: { provider: string; upstreamModel: string }): string =>
    `${provider}/${metrics.modelLabel(provider, upstreamModel)}`;
  targets.listen({
    breakerChanged: (target, from, to) => metrics.breakerChanged(circuit(target), from, to),
    retried: ({ provider }, reason) => metrics.retried(provider, reason),
    fellBack: (from, to) => metrics.fellBack(from, to),
    hedged: ({ provider }) => metrics.hedged(provider),
  });
  cache?.listen({
    asked: (outcome) => metrics.cacheAsked(outcome),
    failed: () => metrics.cacheAsked('failed'),
  });
  const { families } = metrics;
  const states = (): Reading[] =>
    targets.list().map((target) => [[circuit(target)], stateNumber(target.breaker.state)]);
  const breakers = 'State of the circuit breaker of a model: 0 closed, 1 half open, 2 open.';
  const named = ['circuit_name'];
  families.read({ name: 'circuit_breaker_state', help: breakers, labels: named }, states, 'max');
  families.read({ name: 'llm_gateway_circuit_breaker_state', help: breakers, labels: named }, states, 'max');
  families.read(
    { name: 'circuit_breaker_failures', help: 'Failures of a model in a row.', labels: named },
    () => targets.list().map((target) => [[circuit(target)], target.breaker.failures]),
    'max',
  );
  families.read(
    {
      name: 'llm_gateway_provider_requests_in_progress',
      help: 'Requests to a provider: under way, and waiting for a place.',
      labels: ['provider', 'state'],
    },
    () =>
      [...targets.providers()].flatMap(([name, { bulkhead }]): Reading[] => [
        [[name, 'active'], bulkhead.active],
        [[name, 'waiting'], bulkhead.waiting],
      ]),
  );
  families.read(
    {
      name: 'llm_gateway_upstream_connections',
      help: 'Connections to other servers: open, those in use, and requests without one yet.',
      labels: ['client', 'origin', 'state'],
    },
    () =>
      Object.entries(clients).flatMap(([client, pool]) =>
        Object.entries(pool.stats()).flatMap(([origin, { connected, running, waiting }]): Reading[] => [
          [[client, origin, 'open'], connected],
          [[client, origin, 'in_use'], running],
          [[client, origin, 'waiting'], Math.max(0, waiting - running)],
        ]),
      ),
  );
  families.read(
    { name: 'llm_gateway_client_connections', help: 'Open connections of clients.', labels: ['protocol'] },
    () => {
      const { total, http2 } = port.connections;
      return [
        [['http2'], http2],
        [['http1'], Math.max(0, total - http2)],
      ];
    },
  );
  families.read(
    { name: 'llm_gateway_requests_open', help: 'Requests whose responses are not finished.', labels: [] },
    () => [[[], port.inFlight]],
  );
  const traffic = (direction: 'received' | 'sent', name: string, help: string): void =>
    families.read({ name, help, labels: [], type: 'counter' }, () => [[[], port.traffic[direction]]]);
  traffic(
    'received',
    'llm_gateway_client_received_bytes_total',
    'Bytes received from clients, as on the wire.',
  );
  traffic('sent', 'llm_gateway_client_sent_bytes_total', 'Bytes sent to clients, as on the wire.');
  families.read(
    { name: 'llm_gateway_draining', help: 'Whether the gateway is shutting down.', labels: [] },
    () => [[[], port.draining ? 1 : 0]],
    'max',
  );
  families.read(
    { name: 'llm_gateway_store_up', help: 'Whether the shared store is in reach.', labels: ['store'] },
    () => {
      const well = storeWell();
      return well === null ? [] : [[['redis'], well ? 1 : 0]];
    },
    'min',
  );
}
