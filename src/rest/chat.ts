import { decodeChatRequest } from '../codec/openai-chat/decode-request.ts';
import { encodeStreamError } from '../codec/openai-chat/encode-error.ts';
import { encodeChatResponse } from '../codec/openai-chat/encode-response.ts';
import { ChatStreamEncoder } from '../codec/openai-chat/encode-stream.ts';
import { unsaidParts } from '../codec/unsaid.ts';
import * as build from '../model/build.ts';
import type { CallContext, ChatApi } from '../rpc/chat-api.ts';
import { clientOf, type RestHandler, readJson, sendJson } from './exchange.ts';
import { applyHeaders, headerOptions } from './gateway-headers.ts';
import { reportHeaders } from './report.ts';
import { answerForm, sendStream } from './stream.ts';

/** What the routes of chat are set to, on every face of theirs. */
export interface ChatRouteOptions {
  /** Largest request body in bytes. */
  readonly maxBodyBytes: number;
  /** After how much silence a stream's client gets a sign of life, in milliseconds. */
  readonly sseKeepAliveMs: number;
}

/** Name of this face in logs and metrics, and of its dialect. */
const face = 'openai.chat';

/** POST /v1/chat/completions. */
export function chatCompletions(api: ChatApi, options: () => ChatRouteOptions): RestHandler {
  return async (exchange) => {
    const { maxBodyBytes, sseKeepAliveMs } = options();
    const client = clientOf(exchange);
    const given = headerOptions(exchange);
    const body = await readJson(exchange, maxBodyBytes);
    const { request, stream, includeUsage } = decodeChatRequest(body, given);
    applyHeaders(exchange, request, given);
    const report = build.callReport('', '');
    const context: CallContext = { requestId: exchange.requestId, face, report, ...client };
    if (stream) {
      const encoder = new ChatStreamEncoder({ includeUsage });
      const form = {
        ...answerForm,
        encode: encoder.encode.bind(encoder),
        encodeError: encodeStreamError,
        keepAliveFrame: ': keep-alive\n\n',
        headers: {},
        report,
      };
      return sendStream(exchange, api.streamChatCompletion(request, context), form, sseKeepAliveMs);
    }
    const response = await api.createChatCompletion(request, context);
    const headers = reportHeaders(response.callReport, unsaidParts(response, face));
    sendJson(exchange, 200, encodeChatResponse(response), headers);
  };
}
