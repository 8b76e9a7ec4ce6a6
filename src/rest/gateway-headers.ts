import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../model/build.ts';
import { booleanHeader, type Exchange } from './exchange.ts';

/** Takes the request headers that stand for fields of GatewayOptions; they win over the body. */
export function applyHeaders(exchange: Exchange, request: CreateChatCompletionRequest): void {
  const dropParams = booleanHeader(exchange, 'X-Drop-Params');
  if (dropParams !== undefined) request.options = build.gatewayOptions({ ...request.options, dropParams });
}

/** What the client is told of the way in reply headers. */
export function reportHeaders(report: CallReport | undefined): Record<string, string> {
  if (report === undefined) return {};
  const headers: Record<string, string> = { 'x-provider-used': report.provider };
  if (report.droppedParams.length > 0) headers['x-dropped-params'] = report.droppedParams.join(', ');
  return headers;
}
