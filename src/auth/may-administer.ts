import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { anonymous, type Principal } from './principal.ts';

/** Without keys everybody is an administrator. @throws GatewayError PERMISSION_DENIED */
export function mustAdminister(principal: Principal): void {
  if (principal.admin || principal === anonymous) return;
  throw new GatewayError(ErrorReason.PERMISSION_DENIED, 'only administrators may do this');
}
