import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';

/** A call's signal, and what ends its wait for reasons to abort. */
export interface CallSignal {
  readonly signal: AbortSignal;
  /** To be called when the call is over; afterwards nothing aborts any more. */
  release(): void;
}

/**
 * A signal that aborts with a GatewayError: when `client` aborts (CANCELLED, or what the RPC library says of a deadline),
 * or after `timeoutMs`, which is the whole call's time: queue, retries, tool rounds and stream included.
 */
export function callSignal(client: AbortSignal, timeoutMs: number): CallSignal {
  const controller = new AbortController();
  const onClient = () => controller.abort(leaving(client.reason));
  if (client.aborted) onClient();
  else client.addEventListener('abort', onClient, { once: true });
  const timer = setTimeout(() => controller.abort(tooLate(timeoutMs)), timeoutMs);
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      client.removeEventListener('abort', onClient);
    },
  };
}

function leaving(reason: unknown): GatewayError {
  const error = toGatewayError(reason);
  return error.reason === ErrorReason.DEADLINE_EXCEEDED
    ? error
    : new GatewayError(ErrorReason.CANCELLED, 'the client has left', { cause: reason });
}

const tooLate = (timeoutMs: number): GatewayError =>
  new GatewayError(ErrorReason.DEADLINE_EXCEEDED, `the call took longer than ${timeoutMs} ms`);
