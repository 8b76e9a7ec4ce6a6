import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { rest, splitMembers } from '../json.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeParameters } from './encode-parameters.ts';
import { encodeToolConfig, isForced } from './encode-tools.ts';

export interface EncodedConverseRequest {
  /** JSON text. The same request gives the same bytes, and JSON text within it stays as it was. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/** Keys of a body that the typed model has fields for, or that the path says. */
const reserved = ['modelId', 'messages', 'system', 'requestMetadata', 'serviceTier'];

/**
 * Writes the body of Converse and ConverseStream, which have the same; the model is in the path.
 * @param model the model's id at the provider, or an ARN
 * @throws GatewayError INVALID_REQUEST that names the field, for what the request would be meaningless without
 */
export function encodeConverseRequest(
  request: CreateChatCompletionRequest,
  model: string,
): EncodedConverseRequest {
  const context = new EncodeContext(model);
  const tools = splitMembers(context.extraMembers(request.extras, 'request', reserved), 'toolConfig');
  context.checkReserved(tools.inner, 'request', ['tools', 'toolChoice']);
  const inference = splitMembers(tools.outer, 'inferenceConfig');
  const fields = splitMembers(inference.outer, 'additionalModelRequestFields');
  const output = splitMembers(fields.outer, 'outputConfig');
  const conversation = encodeMessages(request.messages, context);
  let body = `{"messages":[${conversation.messages}]`;
  if (conversation.system !== '') body += `,"system":[${conversation.system}]`;
  const toolConfig = encodeToolConfig(request, conversation, tools.inner, context);
  if (toolConfig !== '') body += `,"toolConfig":${toolConfig}`;
  body += encodeParameters(
    request.parameters,
    {
      inferenceConfig: inference.inner,
      additionalModelRequestFields: fields.inner,
      outputConfig: output.inner,
    },
    toolConfig !== '' && isForced(request.toolChoice),
    context,
  );
  return { body: `${body}${rest(output.outer)}}`, warnings: context.warnings };
}
