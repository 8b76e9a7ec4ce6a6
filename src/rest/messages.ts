import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import { decodeMessagesRequest } from '../codec/anthropic-messages/decode-request.ts';
import { encodeMessagesStreamError } from '../codec/anthropic-messages/encode-error.ts';
import { encodeMessagesResponse } from '../codec/anthropic-messages/encode-response.ts';
import { MessagesStreamEncoder } from '../codec/anthropic-messages/encode-stream.ts';
import { unsaidParts } from '../codec/unsaid.ts';
import * as build from '../model/build.ts';
import { tellLimitsAnthropic } from '../model/limit-headers.ts';
import type { ChatApi } from '../rpc/chat-api.ts';
import type { ChatRouteOptions } from './chat.ts';
import { messagesIdHeader } from './error-form.ts';
import { clientOf, type Exchange, header, type RestHandler, readJson, sendJson } from './exchange.ts';
import { applyHeaders, headerOptions } from './gateway-headers.ts';
import { reportHeaders, sensitivityHeaders } from './report.ts';
import { answerForm, type StreamForm, sendStream } from './stream.ts';

/** Name of this face in logs and metrics, and of its dialect. */
const face = 'anthropic.messages';

/** POST /v1/messages: Anthropic's form, over any model of any provider. */
export function createMessage(api: ChatApi, options: () => ChatRouteOptions): RestHandler {
  return async (exchange) => {
    const { maxBodyBytes, sseKeepAliveMs } = options();
    const context = contextOf(exchange);
    const body = await readJson(exchange, maxBodyBytes);
    const given = headerOptions(exchange);
    const { request, stream } = decodeMessagesRequest(body, { betas: betasOf(exchange), headers: given });
    applyHeaders(exchange, request, given);
    if (stream) {
      return sendStream(
        exchange,
        api.streamChatCompletion(request, context),
        streamForm(exchange, context.report),
        sseKeepAliveMs,
      );
    }
    const response = await api.createChatCompletion(request, context);
    const headers = {
      ...reportHeaders(response.callReport, unsaidParts(response, face)),
      ...anthropicLimits(response.callReport),
      ...messagesIdHeader(exchange.requestId),
    };
    sendJson(exchange, 200, encodeMessagesResponse(response), headers);
  };
}

/** POST /v1/messages/count_tokens. */
export function countMessageTokens(api: ChatApi, options: () => ChatRouteOptions): RestHandler {
  return async (exchange) => {
    const context = contextOf(exchange);
    const body = await readJson(exchange, options().maxBodyBytes);
    const given = headerOptions(exchange);
    const { request } = decodeMessagesRequest(body, {
      betas: betasOf(exchange),
      counting: true,
      headers: given,
    });
    applyHeaders(exchange, request, given);
    const { tokens } = await api.countTokens(request, context);
    const headers = { ...sensitivityHeaders(context.report), ...messagesIdHeader(exchange.requestId) };
    sendJson(exchange, 200, `{"input_tokens":${tokens}}`, headers);
  };
}

const contextOf = (exchange: Exchange) => ({
  requestId: exchange.requestId,
  face,
  report: build.callReport('', ''),
  ...clientOf(exchange),
});

function anthropicLimits(report: CallReport | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  tellLimitsAnthropic(report?.rateLimits, (name, value) => {
    headers[name] = value;
  });
  return headers;
}

function streamForm({ requestId }: Exchange, report: CallReport): StreamForm {
  const encoder = new MessagesStreamEncoder();
  return {
    ...answerForm,
    encode: encoder.encode.bind(encoder),
    encodeError: (error) => encodeMessagesStreamError(error, requestId),
    keepAliveFrame: 'event: ping\ndata: {"type":"ping"}\n\n',
    headers: messagesIdHeader(requestId),
    reportHeaders: anthropicLimits,
    report,
  };
}

/** Values of `anthropic-beta`: a list by commas, or several headers, which Node joins. */
function betasOf(exchange: Exchange): string[] {
  const given = header(exchange, 'anthropic-beta') ?? '';
  return given
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
