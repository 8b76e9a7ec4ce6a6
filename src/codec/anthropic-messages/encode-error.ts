import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { GatewayError } from '../../errors/gateway-error.ts';

/** Anthropic's types by HTTP status, from its documentation of errors; every other 4xx is a bad request, 5xx a fault. */
const typesByStatus: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};

/** Reasons whose type the status does not say. */
const typesByReason: Partial<Record<ErrorReason, string>> = {
  [ErrorReason.BUDGET_EXHAUSTED]: 'billing_error',
  [ErrorReason.DRAINING]: 'overloaded_error',
};

/** Types that say more than a status; `invalid_request_error` is not one: OpenAI uses the word for every 4xx. */
const exactTypes: ReadonlySet<string> = new Set(Object.values(typesByStatus));

/** The error's HTTP status on this face: as everywhere, but for overload, which is 529 with Anthropic. */
export function messagesStatus({ reason, status }: GatewayError): number {
  return reason === ErrorReason.OVERLOADED || reason === ErrorReason.UPSTREAM_OVERLOADED ? 529 : status;
}

/** An error as Anthropic's body. */
export function encodeMessagesError(error: GatewayError, requestId: string): string {
  const { reason, facts, rawMessage: message } = error;
  const status = messagesStatus(error);
  // What Anthropic says of a request that it rejected is more exact than what follows from the status.
  const upstream = reason === ErrorReason.UPSTREAM_REJECTED ? (facts.upstreamType ?? '') : '';
  const type = exactTypes.has(upstream)
    ? upstream
    : (typesByReason[reason] ??
      typesByStatus[status] ??
      (status < 500 ? 'invalid_request_error' : 'api_error'));
  const body = { type, message, ...(isOfThread(error) ? { details: withoutThread } : {}) };
  return JSON.stringify({ type: 'error', error: body, request_id: requestId });
}

/** By these details Anthropic's SDKs know that they have to send the whole conversation. */
const withoutThread = { error_code: 'thread_unsupported_request', unsupported: ['thread'] };

const isOfThread = ({ reason, facts }: GatewayError): boolean =>
  reason === ErrorReason.UNSUPPORTED_PARAMETER && facts.field === 'thread';

/** An error inside a stream that has begun: the last frame, without `message_stop`. */
export const encodeMessagesStreamError = (error: GatewayError, requestId: string): string =>
  `event: error\ndata: ${encodeMessagesError(error, requestId)}\n\n`;
