import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { number, quote, rest } from '../json.ts';
import type { ThinkValue } from './dialect.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeFormat, encodeOptions } from './encode-options.ts';
import { thinkFor } from './encode-think.ts';
import { encodeTools } from './encode-tools.ts';
import { requestMembers } from './request-members.ts';

export interface EncodeRequestOptions {
  /** The model's name at Ollama. */
  readonly model: string;
  readonly stream: boolean;
  /** What the model's `think` may be; left out where that is not known. */
  readonly think?: readonly ThinkValue[] | undefined;
}

export interface EncodedChatRequest {
  /** JSON text. The same request gives the same bytes, and JSON text within it stays as it was. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/**
 * Writes the body of POST /api/chat.
 * @throws GatewayError INVALID_REQUEST or UNSUPPORTED_PARAMETER that names the field, for what Ollama cannot take and the
 * answer's meaning hangs on
 */
export function encodeChatRequest(
  request: CreateChatCompletionRequest,
  { model, stream, think: known }: EncodeRequestOptions,
): EncodedChatRequest {
  const context = new EncodeContext(request.options?.dropParams);
  const { parameters } = request;
  const { options: given, think: asked, members } = requestMembers(request.extras, context);
  let body = `{"model":${quote(model)},"messages":${encodeMessages(request.messages, context)}`;
  const tools = encodeTools(request, context);
  if (tools !== '') body += `,"tools":[${tools}]`;
  const format = encodeFormat(parameters?.responseFormat, context);
  if (format !== '') body += `,"format":${format}`;
  const options = encodeOptions(parameters, given);
  if (options !== '') body += `,"options":{${options}}`;
  if (asked !== undefined) body += `,"think":${JSON.stringify(asked)}`;
  else if (parameters !== undefined) {
    const think = thinkFor(parameters, model, known, context);
    if (think !== undefined) body += `,"think":${JSON.stringify(think)}`;
  }
  if (parameters?.logprobs !== undefined) body += `,"logprobs":${parameters.logprobs}`;
  if (parameters?.topLogprobs !== undefined) body += `,"top_logprobs":${number(parameters.topLogprobs)}`;
  // Left out, it would be true.
  return { body: `${body}${rest(members)},"stream":${stream}}`, warnings: context.warnings };
}
