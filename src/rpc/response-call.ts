import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import * as build from '../model/build.ts';
import type { ChatCall } from '../pipeline/call.ts';
import type { CallSignal } from '../pipeline/call-signal.ts';
import type { CallContext } from './call-context.ts';

/** A call that came by the Responses API. @param inputCount how many items the client gave */
export const newResponseCall = (
  request: CreateChatCompletionRequest,
  context: CallContext,
  stream: boolean,
  time: Omit<CallSignal, 'release'>,
  inputCount: number,
): ChatCall => ({
  kind: 'chat',
  api: 'responses',
  id: context.requestId,
  face: context.face,
  principal: context.principal,
  stream,
  ...time,
  named: context.named,
  faceSecurity: context.faceSecurity,
  request,
  inputCount,
  route: null,
  report: context.report ?? build.callReport('', ''),
});
