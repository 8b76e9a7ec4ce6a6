import type { ServiceImpl } from '@connectrpc/connect';
import type { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { contextOf, failing, type OnFailure } from './call-context.ts';
import type { HealthApi } from './health-api.ts';

/** What AdminService has to say of the gateway's health. */
export function adminHealth(
  api: HealthApi,
  onFailure: OnFailure,
): Pick<ServiceImpl<typeof AdminService>, 'getHealth'> {
  return {
    async getHealth(_request, handlerContext) {
      const context = contextOf(handlerContext);
      try {
        if (!context.principal.admin) {
          throw new GatewayError(ErrorReason.PERMISSION_DENIED, 'this is for administrators');
        }
        return await api.detailed();
      } catch (error) {
        throw failing(context, handlerContext, onFailure)(error);
      }
    },
  };
}
