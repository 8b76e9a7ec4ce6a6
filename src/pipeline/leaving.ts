import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { Call } from './call.ts';

/** Why nobody wants the rest of a stream. That the client has left may show in the stream before it shows in the signal. */
export const leaving = ({ signal }: Call): GatewayError =>
  signal.aborted
    ? toGatewayError(signal.reason)
    : new GatewayError(ErrorReason.CANCELLED, 'the client has left');
