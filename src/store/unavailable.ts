import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';

/** A store is out of reach. @param name the store's, as operators know it @param why without addresses and secrets */
export const unavailable = (name: string, why: string, cause?: unknown): GatewayError =>
  new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, `${name} is not available: ${why}`, { cause });
