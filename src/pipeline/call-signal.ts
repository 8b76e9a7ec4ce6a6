import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { LightSignal } from '../base/light-signal.ts';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { OpenCall, OpenCalls } from './open-calls.ts';

/**
 * Tells a call that its client has left: `listener` is called once, with a reason, at once when it has happened already.
 * Returns what takes the listener back. A face makes one for each call; an AbortSignal would cost several times as much.
 */
export type ClientWatch = (listener: (reason: unknown) => void) => () => void;

/** A watch on an AbortSignal. */
export const watchSignal =
  (signal: AbortSignal): ClientWatch =>
  (listener) => {
    const onAbort = () => listener(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  };

/** A call's signal, and what ends its wait for reasons to abort. */
export interface CallSignal {
  readonly signal: AbortSignal;
  /** When its time is up, on the clock of performance.now(). */
  readonly deadline: number;
  /** To be called when the call is over; afterwards nothing aborts any more. */
  release(): void;
}

/**
 * A signal that aborts with a GatewayError: when the client leaves (CANCELLED, or what the RPC library says of a deadline), or
 * after `timeoutMs`, which is the whole call's time: queue, retries, tool rounds and stream included; or when all `open` calls are
 * ended.
 */
export function callSignal(client: ClientWatch, timeoutMs: number, open: OpenCalls): CallSignal {
  const signal = new LightSignal();
  const unwatch = client((reason) => signal.abort(leaving(reason)));
  const call: OpenCall = { slot: -1, abort: (reason) => signal.abort(reason) };
  open.add(call);
  const timer = setTimeout(() => signal.abort(tooLate(timeoutMs)), timeoutMs);
  return {
    signal,
    deadline: performance.now() + timeoutMs,
    release() {
      clearTimeout(timer);
      open.delete(call);
      unwatch();
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
