import type { ServiceImpl } from '@connectrpc/connect';
import { type AdminService, GetPerformanceRequestSchema } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { asAdministrator } from './as-administrator.ts';
import { type OnFailure, principalKey } from './call-context.ts';
import type { PerformanceApi } from './performance-api.ts';
import { validateMessage } from './validate.ts';

type Methods = Pick<ServiceImpl<typeof AdminService>, 'getMetricsSummary' | 'getPerformance'>;

/** Of AdminService what concerns how calls went. */
export const adminPerformanceMethods = (api: PerformanceApi, onFailure: OnFailure): Methods => ({
  getMetricsSummary: (_request, context) => asAdministrator(context, onFailure, () => api.summary()),
  getPerformance: (request, context) =>
    asAdministrator(context, onFailure, () => {
      validateMessage(GetPerformanceRequestSchema, request);
      return api.last(context.values.get(principalKey), request.hours);
    }),
});
