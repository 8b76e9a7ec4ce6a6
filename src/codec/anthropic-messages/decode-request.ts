import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { GatewayOptions } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import { keepMember, readBoolean, readName, readObject } from '../fields.ts';
import { checkMessages, decodeOption, type HeaderOptions, noHeaders } from '../gateway-options.ts';
import { addNested } from '../json.ts';
import { RequestContext } from './decode-request-context.ts';
import { decodeMessages } from './decode-request-messages.ts';
import { ParametersDecoder } from './decode-request-parameters.ts';
import { decodeToolChoice, decodeTools } from './decode-request-tools.ts';
import { toExtras } from './extras.ts';

/** A client's request, and how it wants the answer. */
export interface DecodedMessagesRequest {
  readonly request: CreateChatCompletionRequest;
  /** As server-sent events. */
  readonly stream: boolean;
}

export interface DecodeMessagesOptions {
  /** Values of the header `anthropic-beta`; they go along to an Anthropic upstream. */
  readonly betas?: readonly string[];
  /** Only the tokens are to be counted: no limit of the answer is needed. */
  readonly counting?: boolean;
  /** What the request's headers say of the gateway's own options. */
  readonly headers?: HeaderOptions;
}

/**
 * Reads the body of POST /v1/messages or /v1/messages/count_tokens, any JSON value.
 * @throws GatewayError INVALID_REQUEST that names the field as the client wrote it; nothing else
 */
export function decodeMessagesRequest(
  json: unknown,
  { betas = [], counting = false, headers = noHeaders }: DecodeMessagesOptions = {},
): DecodedMessagesRequest {
  const body = readObject(json, 'body');
  const model = readName(body['model'], 'model', 512);
  const context = new RequestContext();
  const request = build.chatRequest(model, decodeMessages(body['system'] ?? null, body['messages'], context));
  const parameters = new ParametersDecoder();
  let options: GatewayOptions | undefined;
  // First, because it decides what an effort means.
  parameters.take('thinking', body['thinking'] ?? null);
  for (const key in body) {
    const value = body[key];
    switch (key) {
      case 'model':
      case 'system':
      case 'messages':
      case 'tool_choice':
      case 'stream':
      case 'thinking':
        break;
      case 'tools':
        if (value !== null) request.tools = decodeTools(value, key, context);
        break;
      default: {
        if (parameters.take(key, value)) break;
        const optionsSoFar: GatewayOptions = options ?? build.gatewayOptions();
        if (decodeOption(optionsSoFar, key, value)) options = optionsSoFar;
        else if (key !== betaKey || betas.length === 0) {
          parameters.unknown = keepMember(parameters.unknown, key, value, key);
        }
      }
    }
  }
  if (!counting && (body['max_tokens'] ?? null) === null) {
    throw invalidRequest('max_tokens', 'max_tokens: Field required');
  }
  checkMessages(body['messages'], options, headers);
  const choice = body['tool_choice'] ?? null;
  if (choice !== null) {
    const gatewayTools = headers.gatewayTools ?? options?.gatewayTools ?? [];
    const decoded = decodeToolChoice(choice, 'tool_choice', request.tools, gatewayTools);
    if (decoded.choice !== undefined) request.toolChoice = decoded.choice;
    if (decoded.parallel !== undefined) parameters.parallel = decoded.parallel;
    parameters.unknown = addNested(parameters.unknown, 'tool_choice', decoded.unknown);
  }
  if (betas.length > 0) parameters.unknown = keepMember(parameters.unknown, betaKey, betas, betaKey);
  if (parameters.parameters !== undefined) request.parameters = parameters.parameters;
  if (options !== undefined) request.options = options;
  if (parameters.unknown !== '') request.extras = toExtras(parameters.unknown, parameters.repeated);
  const stream = (body['stream'] ?? null) === null ? false : readBoolean(body['stream'], 'stream');
  return { request, stream };
}

/** Member of the request's extras that goes to an upstream as header `anthropic-beta`. */
const betaKey = 'anthropic_beta';
