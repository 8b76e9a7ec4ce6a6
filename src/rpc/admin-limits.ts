import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import type { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import {
  GetRateLimitStatusRequestSchema,
  GetRateLimitStatusResponseSchema,
  ResetRateLimitsRequestSchema,
  ResetRateLimitsResponseSchema,
} from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import { asAdministrator } from './as-administrator.ts';
import { type OnFailure, principalKey } from './call-context.ts';
import type { LimitsApi } from './limits-api.ts';
import { validateMessage } from './validate.ts';

type Methods = Pick<ServiceImpl<typeof AdminService>, 'getRateLimitStatus' | 'resetRateLimits'>;

/** Of AdminService what concerns limits. */
export const adminLimitMethods = (api: LimitsApi, onFailure: OnFailure): Methods => ({
  getRateLimitStatus: (request, context) =>
    asAdministrator(context, onFailure, async () => {
      validateMessage(GetRateLimitStatusRequestSchema, request);
      const principal = context.values.get(principalKey);
      const { owner, tenant } = request;
      if (owner === undefined && tenant !== '')
        throw invalidRequest('tenant', 'tenant: there is no owner besides');
      return create(
        GetRateLimitStatusResponseSchema,
        owner === undefined
          ? { summary: await api.summary(principal) }
          : { owner: await api.ofOwner(principal, owner, tenant || null) },
      );
    }),
  resetRateLimits: (request, context) =>
    asAdministrator(context, onFailure, async () => {
      validateMessage(ResetRateLimitsRequestSchema, request);
      const { owner = null, tenant } = request;
      const tenants = await api.reset(context.values.get(principalKey), owner, tenant || null);
      return create(ResetRateLimitsResponseSchema, { tenants });
    }),
});
