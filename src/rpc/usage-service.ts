import type { ServiceImpl } from '@connectrpc/connect';
import { GetUsageRequestSchema, type UsageService } from '../../gen/llmgateway/v1/usage_service_pb.js';
import { toGatewayError } from '../errors/gateway-error.ts';
import { principalKey } from './call-context.ts';
import type { UsageApi } from './usage-api.ts';
import { validateMessage } from './validate.ts';

/** UsageService for Connect, gRPC and gRPC-Web. */
export function usageService(api: UsageApi): ServiceImpl<typeof UsageService> {
  return {
    async getUsage(request, { values, requestHeader }) {
      try {
        validateMessage(GetUsageRequestSchema, request);
        const { from, to, groupBy: groups, tenant } = request;
        return await api.getUsage(values.get(principalKey), { from, to, fromField: 'from', groups, tenant });
      } catch (error) {
        throw toGatewayError(error).withDetails(requestHeader.get('x-request-id') ?? '');
      }
    },
  };
}
