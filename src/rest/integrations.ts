import { timestampDate } from '@bufbuild/protobuf/wkt';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { readObject } from '../codec/fields.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import type { IntegrationsApi } from '../rpc/integrations-api.ts';
import { clientOf, type RestHandler, readJson, unescaped } from './exchange.ts';
import { correlationOf, sendEnvelope, sendFlat } from './platform-reply.ts';
import { sensitivityHeaders } from './report.ts';

/** What the routes of integrations are made of. */
export interface IntegrationRoutes {
  readonly api: IntegrationsApi;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
}

/** As the audit trail names it: which service and operation it says besides. */
const route = '/integrations';

/** POST /integrations/{service}/{operation}. */
export const callIntegration =
  ({ api, maxBodyBytes }: IntegrationRoutes): RestHandler =>
  async (exchange) => {
    const parts = exchange.path
      .replace(/^\/integrations\//, '')
      .replace(/\/$/, '')
      .split('/')
      .map(unescaped);
    const [service = '', operation = ''] = parts;
    if (parts.length !== 2 || operation === '')
      throw new GatewayError(ErrorReason.NOT_FOUND, 'the path has to be /integrations/{service}/{operation}');
    const report = build.callReport('', '');
    const named = { route, correlationId: correlationOf(exchange) };
    const context = { requestId: exchange.requestId, face: 'query', ...clientOf(exchange), named, report };
    const args = readObject(await readJson(exchange, maxBodyBytes(), {}), 'body');
    const data = await api.call(service, operation, args, context);
    sendEnvelope(exchange, `${service} ${operation} completed`, data, sensitivityHeaders(report));
  };

/** GET /services/status. */
export const servicesStatus =
  ({ api }: Pick<IntegrationRoutes, 'api'>): RestHandler =>
  async (exchange) => {
    const context = { requestId: exchange.requestId, face: 'query', ...clientOf(exchange) };
    const { overallStatus, services, healthyServices, time } = await api.status(context);
    const body = {
      overall_status: overallStatus,
      services: Object.fromEntries(
        services.map(({ name, status, endpoint, responseTime, error, lastChecked }) => [
          name,
          {
            status,
            endpoint,
            ...(responseTime === undefined ? {} : { response_time: responseTime }),
            ...(error === '' ? {} : { error }),
            last_checked: lastChecked && timestampDate(lastChecked).toISOString(),
          },
        ]),
      ),
      total_services: services.length,
      healthy_services: healthyServices,
      timestamp: time && timestampDate(time).toISOString(),
    };
    sendFlat(exchange, JSON.stringify(body));
  };
