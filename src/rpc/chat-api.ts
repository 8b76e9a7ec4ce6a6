import type {
  CreateChatCompletionRequest,
  CreateChatCompletionResponse,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import * as build from '../model/build.ts';
import { type EventStream, tapEvents } from '../model/events.ts';
import type { ChatCall, Handler, TokenCount } from '../pipeline/call.ts';
import type { CallSignal } from '../pipeline/call-signal.ts';
import { beginCall, type CallContext, type CallLimits } from './call-context.ts';

export type { CallContext } from './call-context.ts';

/** ChatService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface ChatApi {
  createChatCompletion(
    request: CreateChatCompletionRequest,
    context: CallContext,
  ): Promise<CreateChatCompletionResponse>;
  /** Resolves at the first output. The stream has to be read to its end or returned. */
  streamChatCompletion(request: CreateChatCompletionRequest, context: CallContext): Promise<EventStream>;
  countTokens(request: CreateChatCompletionRequest, context: CallContext): Promise<TokenCount>;
}

/**
 * @param handle answers calls for completions
 * @param count answers calls that only count tokens
 */
export function chatApi(handle: Handler, count: Handler, limits: CallLimits): ChatApi {
  return {
    async createChatCompletion(request, context) {
      const { release, ...time } = beginCall(context, limits);
      try {
        const reply = await handle(newCall(request, context, false, time));
        if (reply.kind !== 'unary') throw new Error('a unary call was not answered with a completion');
        return reply.response;
      } finally {
        release();
      }
    },
    async streamChatCompletion(request, context) {
      const { release, ...time } = beginCall(context, limits);
      try {
        const reply = await handle(newCall(request, context, true, time));
        if (reply.kind !== 'stream') throw new Error('a streaming call was answered without a stream');
        return tapEvents(reply.events, { end: release, abandoned: release });
      } catch (error) {
        release();
        throw error;
      }
    },
    async countTokens(request, context) {
      const { release, ...time } = beginCall(context, limits);
      try {
        const reply = await count(newCall(request, context, false, time));
        if (reply.kind !== 'count') throw new Error('a call for a count was not answered with one');
        return reply.count;
      } finally {
        release();
      }
    },
  };
}

const newCall = (
  request: CreateChatCompletionRequest,
  context: CallContext,
  stream: boolean,
  time: Omit<CallSignal, 'release'>,
): ChatCall => ({
  kind: 'chat',
  api: context.api ?? 'chat',
  id: context.requestId,
  face: context.face,
  principal: context.principal,
  stream,
  ...time,
  trace: context.trace,
  named: context.named,
  faceSecurity: context.faceSecurity,
  secureModels: context.secureModels,
  chosen: context.chosen,
  newSessionMs: context.newSessionMs,
  request,
  route: null,
  report: context.report ?? build.callReport('', ''),
  ...(context.sensitive === true ? { sensitive: true } : {}),
});
