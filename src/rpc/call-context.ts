import { createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { anonymous, type Principal } from '../auth/principal.ts';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { tellLimits } from '../model/limit-headers.ts';
import { tellSensitivity } from '../model/sensitivity-header.ts';
import { readTrace, type TraceContext } from '../observability/trace.ts';
import type { CallNames, ChatApiName } from '../pipeline/call.ts';
import { type CallSignal, type ClientWatch, callSignal, watchSignal } from '../pipeline/call-signal.ts';
import type { OpenCalls } from '../pipeline/open-calls.ts';
import type { SecurityMode } from '../security/mode.ts';
import { correlationHeader, isCorrelationId } from './correlation.ts';

/** Who calls, and for how long. Every face makes one for each call. */
export interface CallContext {
  readonly requestId: string;
  /** See Call.face. */
  readonly face: string;
  readonly principal: Principal;
  /** See ChatCall.api. Default: "chat". */
  readonly api?: ChatApiName;
  /** Tells when the client leaves. */
  readonly client: ClientWatch;
  /** The client's own limit for the whole call in milliseconds; null for none. */
  readonly timeoutMs: number | null;
  /** W3C trace context of its request. */
  readonly trace?: TraceContext | undefined;
  /** See CallNames. */
  readonly named?: CallNames | undefined;
  /** See Call.faceSecurity. Default: "off". */
  readonly faceSecurity?: SecurityMode;
  /** Where the face wants to read what becomes of the call before there is a reply. */
  readonly report?: CallReport;
  /** See Call.secureModels. */
  readonly secureModels?: () => readonly string[];
  /** See Call.chosen. */
  readonly chosen?: boolean;
  /** See ChatCall.newSessionMs. */
  readonly newSessionMs?: number;
  /** The face knows that the text is sensitive; see Call.sensitive. */
  readonly sensitive?: boolean;
}

/** Where Connect's handlers find who calls. */
export const principalKey = createContextKey<Principal>(anonymous, { description: 'who calls' });

/** Whether an RPC came so far that its method was asked. */
export const arrivalKey = createContextKey<{ begun: boolean }>(
  { begun: false },
  { description: 'how far it came' },
);

/** Whose things an RPC is about. */
export const tenantOf = ({ values }: HandlerContext): string => values.get(principalKey).tenant;

/** The context of an RPC. `x-request-id` was set by the port. */
export const contextOf = (context: HandlerContext): CallContext => {
  context.values.get(arrivalKey).begun = true;
  return readContext(context);
};

/** The route of an RPC, as the audit trail names it. */
export const rpcRoute = ({ service, method }: HandlerContext): string =>
  `/${service.typeName}/${method.name}`;

const readContext = (context: HandlerContext): CallContext => ({
  requestId: context.requestHeader.get('x-request-id') ?? '',
  face: 'rpc',
  principal: context.values.get(principalKey),
  client: watchSignal(context.signal),
  timeoutMs: context.timeoutMs() ?? null,
  named: namesOf(context.requestHeader.get(correlationHeader)),
  trace: readTrace(context.requestHeader.get('traceparent'), context.requestHeader.get('tracestate')),
});

/** What a client says of a call on faces where nothing else does. @param correlation `X-Correlation-ID` */
export const namesOf = (correlation: string | null | undefined): CallNames | undefined =>
  correlation && isCorrelationId(correlation) ? { correlationId: correlation } : undefined;

/** What holds for every call. */
export interface CallLimits {
  /** Longest call, in milliseconds. */
  readonly totalMs: () => number;
  readonly open: OpenCalls;
}

/** The signal of a call that begins now. */
export const beginCall = ({ client, timeoutMs }: CallContext, { totalMs, open }: CallLimits): CallSignal =>
  callSignal(client, Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, totalMs()), open);

/** A request that ends with an error. */
export interface FailedRequest {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  /** Who asked, where that is known. */
  readonly principal?: Principal | undefined;
  /** `X-Correlation-ID`, where there is one. */
  readonly correlation?: string | undefined;
}

/** Told of every error that a request ends with. */
export type OnFailure = (error: GatewayError, request: FailedRequest) => void;

/** Makes what an RPC ends with of what was thrown. */
export const failing =
  ({ requestId, principal, named }: CallContext, { service, method }: HandlerContext, onFailure: OnFailure) =>
  (cause: unknown): GatewayError => {
    const error = toGatewayError(cause);
    const path = `/${service.typeName}/${method.name}`;
    onFailure(error, { requestId, method: 'POST', path, principal, correlation: named?.correlationId });
    const tell = (name: string, value: string): void => error.metadata.set(name, value);
    tellLimits(error.rateLimits, tell);
    tellSensitivity(error.sensitivity, tell);
    return error.withDetails(requestId);
  };
