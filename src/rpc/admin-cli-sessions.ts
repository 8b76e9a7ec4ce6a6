import type { ServiceImpl } from '@connectrpc/connect';
import type { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { asAdministrator } from './as-administrator.ts';
import { type OnFailure, principalKey } from './call-context.ts';
import type { CliSessionsApi } from './cli-sessions-api.ts';

/** Of AdminService what concerns sessions with a command-line program. */
export const adminCliSessionMethods = (
  api: CliSessionsApi,
  onFailure: OnFailure,
): Pick<ServiceImpl<typeof AdminService>, 'listCliSessions'> => ({
  listCliSessions: (_request, context) =>
    asAdministrator(context, onFailure, () => api.list(context.values.get(principalKey))),
});
