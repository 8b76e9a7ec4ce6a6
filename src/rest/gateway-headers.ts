import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { GatewayOptions } from '../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { booleanHeader, type Exchange, header } from './exchange.ts';

/**
 * Takes the request headers that stand for fields of GatewayOptions; they win over the body.
 * @throws GatewayError INVALID_REQUEST
 */
export function applyHeaders(exchange: Exchange, request: CreateChatCompletionRequest): void {
  const options = headerOptions(exchange, request.options);
  if (options !== undefined) request.options = options;
}

/** The same for options by themselves; undefined where there are none of either. @throws GatewayError INVALID_REQUEST */
export function headerOptions(
  exchange: Exchange,
  given: GatewayOptions | undefined,
): GatewayOptions | undefined {
  const dropParams = booleanHeader(exchange, 'X-Drop-Params');
  const sessionId = header(exchange, 'x-session-id') ?? '';
  const cmsMode = header(exchange, 'x-cms-mode') ?? '';
  if (dropParams === undefined && sessionId === '' && cmsMode === '') return given;
  const options = build.gatewayOptions({ ...given });
  if (dropParams !== undefined) options.dropParams = dropParams;
  if (cmsMode !== '') options.cmsMode = cmsMode;
  if (sessionId !== '') {
    if (options.sessionId !== '' && options.sessionId !== sessionId) {
      throw invalidRequest('X-Session-Id', 'X-Session-Id and session_id name different sessions');
    }
    options.sessionId = sessionId;
  }
  return options;
}
