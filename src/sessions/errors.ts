import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';

// What can be wrong with a session. `field` is where the client named it.

export const notFound = (id: string, field: string): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `Session not found: ${id.slice(0, 256)}`, { field });

export const busy = (id: string, waitedMs: number, field: string): GatewayError =>
  new GatewayError(
    ErrorReason.SESSION_BUSY,
    `other calls have held session ${id} for the ${waitedMs} ms that this one could wait`,
    { field, retryable: true },
  );

export const tooMany = (id: string, most: number, field: string): GatewayError =>
  new GatewayError(ErrorReason.SESSION_BUSY, `${most} calls wait for session ${id} already`, {
    field,
    retryable: true,
  });

export const tooLarge = (id: string, maxBytes: number, field: string): GatewayError =>
  new GatewayError(
    ErrorReason.REQUEST_TOO_LARGE,
    `session ${id} would be larger than ${maxBytes} bytes with this call's messages; nothing was saved`,
    { field },
  );

export const takenOver = (id: string, field: string): GatewayError =>
  new GatewayError(
    ErrorReason.DEPENDENCY_UNAVAILABLE,
    `session ${id} was out of this call's reach for so long that another call has it; nothing was saved`,
    { field },
  );
