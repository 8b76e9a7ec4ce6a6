import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import * as build from '../model/build.ts';
import { booleanHeader, type Exchange } from './exchange.ts';

/** Takes the request headers that stand for fields of GatewayOptions; they win over the body. */
export function applyHeaders(exchange: Exchange, request: CreateChatCompletionRequest): void {
  const dropParams = booleanHeader(exchange, 'X-Drop-Params');
  if (dropParams !== undefined) request.options = build.gatewayOptions({ ...request.options, dropParams });
}
