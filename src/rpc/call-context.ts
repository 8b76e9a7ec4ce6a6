import type { HandlerContext } from '@connectrpc/connect';
import { type CallSignal, type ClientWatch, callSignal, watchSignal } from '../pipeline/call-signal.ts';

/** Who calls, and for how long. Every face makes one for each call. */
export interface CallContext {
  readonly requestId: string;
  /** See Call.face. */
  readonly face: string;
  /** Tells when the client leaves. */
  readonly client: ClientWatch;
  /** The client's own limit for the whole call in milliseconds; null for none. */
  readonly timeoutMs: number | null;
}

/** The context of an RPC. `x-request-id` was set by the port. */
export const contextOf = (context: HandlerContext): CallContext => ({
  requestId: context.requestHeader.get('x-request-id') ?? '',
  face: 'rpc',
  client: watchSignal(context.signal),
  timeoutMs: context.timeoutMs() ?? null,
});

/** The signal of a call that begins now. @param totalMs limit of every call, in milliseconds */
export const beginCall = ({ client, timeoutMs }: CallContext, totalMs: number): CallSignal =>
  callSignal(client, Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, totalMs));
