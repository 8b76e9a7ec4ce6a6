import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { rest, splitMembers } from '../json.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeMessages } from './encode-messages.ts';
import { type EncodedParameters, encodeParameters } from './encode-parameters.ts';
import { encodeToolConfig } from './encode-tools.ts';

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
 * @throws GatewayError INVALID_REQUEST or UNSUPPORTED_PARAMETER that names the field, for what the request would be meaningless without
 */
export function encodeConverseRequest(
  request: CreateChatCompletionRequest,
  model: string,
): EncodedConverseRequest {
  const { prompt, parameters, more, warnings } = encodeRequest(request, model);
  const { inferenceConfig, additionalModelRequestFields: fields, others } = parameters;
  return { body: `{${prompt}${inferenceConfig}${fields}${others}${more}}`, warnings };
}

/**
 * Writes the body of CountTokens: what of a Converse request the model reads.
 * Source: ConverseTokensRequest in the API reference of Bedrock.
 */
export function encodeConverseCount(request: CreateChatCompletionRequest, model: string): string {
  const { prompt, parameters } = encodeRequest(request, model);
  return `{"input":{"converse":{${prompt}${parameters.additionalModelRequestFields}}}}`;
}

interface EncodedRequest {
  /** The conversation and the tools, as members. */
  readonly prompt: string;
  readonly parameters: EncodedParameters;
  /** Members that came along, each with `,` before it. */
  readonly more: string;
  readonly warnings: Warning[];
}

function encodeRequest(request: CreateChatCompletionRequest, model: string): EncodedRequest {
  const context = new EncodeContext(request, model);
  const tools = splitMembers(context.extraMembers(request.extras, 'request', reserved), 'toolConfig');
  context.checkReserved(tools.inner, 'request', ['tools', 'toolChoice']);
  const inference = splitMembers(tools.outer, 'inferenceConfig');
  const fields = splitMembers(inference.outer, 'additionalModelRequestFields');
  const output = splitMembers(fields.outer, 'outputConfig');
  const conversation = encodeMessages(request.messages, context);
  let prompt = `"messages":[${conversation.messages}]`;
  if (conversation.system !== '') prompt += `,"system":[${conversation.system}]`;
  const { json: toolConfig, forced } = encodeToolConfig(request, conversation, tools.inner, context);
  if (toolConfig !== '') prompt += `,"toolConfig":${toolConfig}`;
  const parameters = encodeParameters(
    request,
    {
      inferenceConfig: inference.inner,
      additionalModelRequestFields: fields.inner,
      outputConfig: output.inner,
    },
    forced,
    context,
  );
  return { prompt, parameters, more: rest(output.outer), warnings: context.warnings };
}
