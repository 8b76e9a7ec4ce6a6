import { create } from '@bufbuild/protobuf';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  type ChatService,
  CountTokensRequestSchema,
  CountTokensResponseSchema,
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  type StreamChatCompletionRequest,
  StreamChatCompletionRequestSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { validateJsonTexts } from '../codec/openai-chat/json-texts.ts';
import * as build from '../model/build.ts';
import type { EventStream } from '../model/events.ts';
import { type CallContext, contextOf, failing, type OnFailure } from './call-context.ts';
import type { ChatApi } from './chat-api.ts';
import { checkChatRequest, checkMessages } from './check-request.ts';
import { applyMetadata, sendContext } from './context-metadata.ts';
import { isPlainlyValid } from './plainly-valid.ts';
import { singly } from './singly.ts';
import { validateMessage } from './validate.ts';
import { makeWellFormed, WellFormedStream } from './well-formed.ts';

/** ChatService for Connect, gRPC and gRPC-Web. */
export function chatService(api: ChatApi, onFailure: OnFailure): ServiceImpl<typeof ChatService> {
  return {
    async createChatCompletion(request, handlerContext) {
      const context = contextOf(handlerContext);
      const failed = failing(context, handlerContext, onFailure);
      try {
        if (!isPlainlyValid(request)) validateMessage(CreateChatCompletionRequestSchema, request);
        validateJsonTexts(request);
        checkChatRequest(request);
        applyMetadata(request, handlerContext.requestHeader);
        const response = await api.createChatCompletion(request, context);
        sendContext(response.callReport, handlerContext.responseHeader);
        makeWellFormed(response);
        return response;
      } catch (error) {
        throw failed(error);
      }
    },
    streamChatCompletion(request, handlerContext) {
      const report = build.callReport('', '');
      const context = { ...contextOf(handlerContext), report };
      const opening = open(api, request, context, handlerContext.requestHeader);
      const failed = failing(context, handlerContext, onFailure);
      const texts = new WellFormedStream();
      return singly(opening, failed, {
        onFirst: () => sendContext(report, handlerContext.responseHeader),
        told(event) {
          texts.mend(event);
          return event;
        },
      });
    },
    async countTokens(message, handlerContext) {
      const context = { ...contextOf(handlerContext), report: build.callReport('', '') };
      const failed = failing(context, handlerContext, onFailure);
      try {
        validateMessage(CountTokensRequestSchema, message);
        const request = message.request as CreateChatCompletionRequest;
        checkMessages(request, 'request.');
        validateJsonTexts(request);
        const { tokens: inputTokens, estimated, method } = await api.countTokens(request, context);
        sendContext(context.report, handlerContext.responseHeader);
        return create(CountTokensResponseSchema, { inputTokens, estimated, method });
      } catch (error) {
        throw failed(error);
      }
    },
  };
}

async function open(
  api: ChatApi,
  request: StreamChatCompletionRequest,
  context: CallContext,
  metadata: Headers,
): Promise<EventStream> {
  if (!isPlainlyValid(request)) validateMessage(StreamChatCompletionRequestSchema, request);
  const same = { ...request, $typeName: 'llmgateway.v1.CreateChatCompletionRequest' } as const;
  validateJsonTexts(same satisfies CreateChatCompletionRequest);
  checkChatRequest(same);
  applyMetadata(same, metadata);
  return api.streamChatCompletion(same, context);
}
