import { create } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  GetRateLimitStatusRequestSchema,
  GetRateLimitStatusResponseSchema,
  ResetRateLimitsRequestSchema,
  ResetRateLimitsResponseSchema,
} from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { principalKey } from './call-context.ts';
import type { LimitsApi } from './limits-api.ts';
import { validateMessage } from './validate.ts';

type Methods = Pick<ServiceImpl<typeof AdminService>, 'getRateLimitStatus' | 'resetRateLimits'>;

/** Of AdminService what concerns limits. */
export const adminLimitMethods = (api: LimitsApi): Methods => ({
  getRateLimitStatus: (request, context) =>
    answered(context, async () => {
      validateMessage(GetRateLimitStatusRequestSchema, request);
      const principal = context.values.get(principalKey);
      if (!principal.admin)
        throw new GatewayError(ErrorReason.PERMISSION_DENIED, 'this is for administrators');
      const { owner, tenant } = request;
      return create(
        GetRateLimitStatusResponseSchema,
        owner === undefined
          ? { summary: await api.summary(principal) }
          : { owner: await api.ofOwner(principal, owner, tenant) },
      );
    }),
  resetRateLimits: (request, context) =>
    answered(context, async () => {
      validateMessage(ResetRateLimitsRequestSchema, request);
      await api.reset(context.values.get(principalKey), request.owner ?? null, request.tenant);
      return create(ResetRateLimitsResponseSchema);
    }),
});

async function answered<T>({ requestHeader }: HandlerContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toGatewayError(error).withDetails(requestHeader.get('x-request-id') ?? '');
  }
}
