import type { Serving } from '../rpc/health-service.ts';
import { type RestHandler, sendJson } from './exchange.ts';

/** What the health routes tell. */
export interface HealthFacts {
  readonly service: string;
  readonly version: string;
  readonly serving: Serving;
  modelsAvailable(): number;
}

/** GET /: what this is. */
export const serviceInfo =
  ({ service, version }: HealthFacts): RestHandler =>
  (exchange) =>
    sendJson(exchange, 200, JSON.stringify({ service, version }));

/** GET /health and /health/live: the process answers. Asks nobody else. */
export const health =
  (facts: HealthFacts): RestHandler =>
  (exchange) => {
    const body = { status: 'healthy', version: facts.version, models_available: facts.modelsAvailable() };
    sendJson(exchange, 200, JSON.stringify(body));
  };

/** GET /health/ready: 200 while calls are taken, 503 from the beginning of a drain. */
export const ready =
  (facts: HealthFacts): RestHandler =>
  (exchange) => {
    const { serving } = facts.serving;
    const body = { status: serving ? 'ready' : 'not_ready', models_available: facts.modelsAvailable() };
    sendJson(exchange, serving ? 200 : 503, JSON.stringify(body));
  };
