import type { ServiceImpl } from '@connectrpc/connect';
import type { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { administrator } from '../auth/admin.ts';
import { asAdministrator } from './as-administrator.ts';
import type { OnFailure } from './call-context.ts';
import type { HealthApi } from './health-api.ts';

/** Of AdminService what concerns the gateway's health. */
export const adminHealthMethods = (
  api: HealthApi,
  onFailure: OnFailure,
): Pick<ServiceImpl<typeof AdminService>, 'getHealth'> => ({
  getHealth: (_request, context) => asAdministrator(context, onFailure, () => api.detailed(administrator)),
});
