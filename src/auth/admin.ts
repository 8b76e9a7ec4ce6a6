import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { anonymous, type Principal } from './principal.ts';

/** Who has the admin token. */
export const administrator: Principal = {
  id: 'admin',
  tenant: '',
  owner: 'admin',
  rateClass: 'default',
  models: null,
  budget: null,
  admin: true,
};

/** @throws GatewayError PERMISSION_DENIED for everybody else: who has no proof at all was refused before */
export function requireAdmin({ admin }: Principal): void {
  if (!admin) {
    throw new GatewayError(ErrorReason.PERMISSION_DENIED, 'this is for administrators only');
  }
}

/** For what anybody may do where calls need no keys. @throws GatewayError PERMISSION_DENIED */
export function requireAdminAmongKeys(principal: Principal): void {
  if (principal !== anonymous) requireAdmin(principal);
}
