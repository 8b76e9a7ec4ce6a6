import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { decodeChatRequest } from '../codec/openai-chat/decode-request.ts';
import { encodeStreamError } from '../codec/openai-chat/encode-error.ts';
import { encodeChatResponse } from '../codec/openai-chat/encode-response.ts';
import { ChatStreamEncoder } from '../codec/openai-chat/encode-stream.ts';
import { invalidRequest, toGatewayError } from '../errors/gateway-error.ts';
import { ClientGoneError, openSse, type SseWriter } from '../http/sse-writer.ts';
import * as build from '../model/build.ts';
import type { EventStream, StreamEvent } from '../model/events.ts';
import type { CallContext, ChatApi } from '../rpc/chat-api.ts';
import {
  booleanHeader,
  clientOf,
  type Exchange,
  header,
  type RestHandler,
  readJson,
  sendJson,
} from './exchange.ts';

/** What the chat routes are set to. */
export interface ChatRouteOptions {
  /** Largest request body in bytes. */
  readonly maxBodyBytes: number;
  /** After how much silence a stream's client gets a comment, in milliseconds. */
  readonly sseKeepAliveMs: number;
}

/** POST /v1/chat/completions. */
export function chatCompletions(api: ChatApi, options: () => ChatRouteOptions): RestHandler {
  return async (exchange) => {
    const { maxBodyBytes, sseKeepAliveMs } = options();
    const client = clientOf(exchange);
    const { request, stream, includeUsage } = decodeChatRequest(await readJson(exchange, maxBodyBytes));
    applyHeaders(exchange, request);
    const context: CallContext = { requestId: exchange.requestId, face: 'openai.chat', ...client };
    if (stream) {
      const events = api.streamChatCompletion(request, context);
      return sendStream(exchange, events, new ChatStreamEncoder({ includeUsage }), sseKeepAliveMs);
    }
    const response: CreateChatCompletionResponse = await api.createChatCompletion(request, context);
    sendJson(exchange, 200, encodeChatResponse(response), reportHeaders(response.callReport));
  };
}

/** The headers that stand for fields of GatewayOptions. */
function applyHeaders(exchange: Exchange, request: CreateChatCompletionRequest): void {
  const dropParams = booleanHeader(exchange, 'X-Drop-Params');
  const sessionId = header(exchange, 'x-session-id') ?? '';
  if (dropParams === undefined && sessionId === '') return;
  const options = (request.options ??= build.gatewayOptions());
  if (dropParams !== undefined) options.dropParams = dropParams;
  if (sessionId === '') return;
  if (options.sessionId !== '' && options.sessionId !== sessionId)
    throw invalidRequest('X-Session-Id', 'X-Session-Id and session_id name different sessions');
  options.sessionId = sessionId;
}

/** What the client is told of the way in headers. */
function reportHeaders(report: CallReport | undefined): Record<string, string> {
  if (report === undefined) return {};
  const headers: Record<string, string> = { 'x-provider-used': report.provider };
  if (report.droppedParams.length > 0) headers['x-dropped-params'] = report.droppedParams.join(', ');
  return headers;
}

/**
 * Writes a streamed answer. The head waits for the first output, so that a failure before it keeps its status; but no
 * longer than the keep-alive interval, after which proxies would give up: from then on a failure comes in the stream.
 */
async function sendStream(
  exchange: Exchange,
  opening: Promise<EventStream>,
  encoder: ChatStreamEncoder,
  keepAliveMs: number,
): Promise<void> {
  let writer: SseWriter | null = null;
  const early = setTimeout(() => {
    writer = openSse(exchange.res, { keepAliveMs, headers: { 'x-request-id': exchange.requestId } });
    if (!writer.gone) writer.write(': keep-alive\n\n');
  }, keepAliveMs);
  let events: EventStream;
  try {
    events = await opening;
  } catch (error) {
    if (writer === null) throw error;
    return endWithError(writer, error);
  } finally {
    clearTimeout(early);
  }
  await pump(exchange, events, encoder, writer, keepAliveMs);
}

async function pump(
  exchange: Exchange,
  events: EventStream,
  encoder: ChatStreamEncoder,
  early: SseWriter | null,
  keepAliveMs: number,
): Promise<void> {
  let writer = early;
  try {
    for (;;) {
      const result = await events.next();
      if (result.done) break;
      writer ??= openSse(exchange.res, { keepAliveMs, headers: streamHeaders(exchange, result.value) });
      const frames = encoder.encode(result.value);
      if (frames === '') continue;
      if (result.value[result.value.length - 1]?.event.case === 'finished') writer.end(frames);
      else {
        const drained = writer.write(frames);
        if (drained !== undefined) await drained;
      }
    }
    writer?.end();
  } catch (error) {
    await events.return();
    if (writer === null) throw error;
    if (!(error instanceof ClientGoneError)) endWithError(writer, error);
  }
}

function streamHeaders(exchange: Exchange, batch: readonly StreamEvent[]): Record<string, string> {
  const first = batch[0]?.event;
  const report = first?.case === 'started' ? first.value.callReport : undefined;
  return { 'x-request-id': exchange.requestId, ...reportHeaders(report) };
}

function endWithError(writer: SseWriter, error: unknown): void {
  writer.end(encodeStreamError(toGatewayError(error)));
}
