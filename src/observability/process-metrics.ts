import { collectDefaultMetrics, Registry } from 'prom-client';

let registry: Registry<never> | null = null;

/** Gauges whose names end like a counter's: what checks of names refuse, and other gauges tell as well. */
const illNamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/** CPU, memory, garbage collection and lag of the event loop: of the process, so there is one for all gateways in it. */
export function processMetrics(): Registry<never> {
  if (registry === null) {
    registry = new Registry();
    collectDefaultMetrics({ register: registry });
    for (const name of illNamed) registry.removeSingleMetric(name);
  }
  return registry;
}
