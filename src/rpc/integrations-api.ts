import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { SensitivityReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type GetServicesStatusResponse,
  GetServicesStatusResponseSchema,
  type Integration,
  IntegrationSchema,
} from '../../gen/llmgateway/v1/integration_service_pb.js';
import type { Json } from '../codec/json.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Integrations } from '../integrations/integrations.ts';
import { ServiceError } from '../integrations/service.ts';
import { beginCall, type CallContext, type CallLimits } from './call-context.ts';
import { asServiceCall, type OnServiceCall } from './service-calls.ts';

/** IntegrationService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface IntegrationsApi {
  /** @returns the service's answer as JSON text */
  call(service: string, operation: string, args: Json, context: CallContext): Promise<string>;
  list(): Integration[];
  status(context: CallContext): Promise<GetServicesStatusResponse>;
}

/**
 * Looks at the arguments for a service. Of providers that they name it leaves those that may have them.
 * @returns null where nobody looks
 * @throws GatewayError where such arguments are refused, or no provider may have them
 */
export type ScreenArguments = (
  service: string,
  args: Json,
  principal: CallContext['principal'],
) => SensitivityReport | null;

/** @param integrations read anew for each call, since a reload replaces it */
export function integrationsApi(
  integrations: () => Integrations,
  limits: CallLimits,
  onOver: OnServiceCall,
  screen: ScreenArguments = () => null,
): IntegrationsApi {
  return {
    async call(service, operation, args, context) {
      const { user_id: user } = args;
      const call = {
        kind: 'integration',
        context,
        service,
        operation,
        ...(typeof user === 'string' ? { user } : {}),
      } as const;
      return asServiceCall(call, onOver, async (found) => {
        const sensitivity = screen(service, args, context.principal);
        found(sensitivity);
        if (sensitivity !== null && context.report !== undefined) context.report.sensitivity = sensitivity;
        const { signal, release } = beginCall(context, limits);
        try {
          return await integrations().call(service, operation, args, askerOf(context, signal));
        } catch (error) {
          throw failureOf(error, service);
        } finally {
          release();
        }
      });
    },
    list: () =>
      integrations()
        .list()
        .map((facts) => create(IntegrationSchema, { ...facts, operations: [...facts.operations] })),
    async status({ requestId, trace }) {
      // Their answers are others' as well: nobody's leaving ends them.
      const states = await integrations().states({ requestId, ...trace });
      const healthy = states.filter(({ status }) => status === 'healthy').length;
      return create(GetServicesStatusResponseSchema, {
        overallStatus: healthy === states.length ? 'healthy' : 'degraded',
        services: states.map(({ name, status, endpoint, responseTime, error, checkedAt }) => ({
          name,
          status,
          endpoint,
          error,
          lastChecked: timestampFromMs(checkedAt),
          ...(responseTime === null ? {} : { responseTime }),
        })),
        healthyServices: healthy,
        time: timestampFromMs(Date.now()),
      });
    },
  };
}

export const askerOf = ({ requestId, trace }: CallContext, signal: AbortSignal) => ({
  requestId,
  signal,
  ...(trace === undefined ? {} : trace),
});

/** Longest part of a service's own words that is told. */
const maxWords = 500;

/** A service's failure as the client is told of it: never the client's 401 or 404. */
export function failureOf(error: unknown, service: string): unknown {
  if (!(error instanceof ServiceError)) return error;
  const provider = service.replaceAll('-', '_');
  if (error.kind === 'timeout')
    return new GatewayError(ErrorReason.UPSTREAM_TIMEOUT, error.message, { provider, cause: error });
  if (error.kind !== 'status')
    return new GatewayError(ErrorReason.UPSTREAM_UNREACHABLE, error.message, { provider, cause: error });
  const words = error.body.trim().slice(0, maxWords);
  return new GatewayError(
    ErrorReason.UPSTREAM_FAILED,
    `${error.message}${words === '' ? '' : `: ${words}`}`,
    {
      provider,
      upstreamStatus: error.status,
      cause: error,
    },
  );
}
