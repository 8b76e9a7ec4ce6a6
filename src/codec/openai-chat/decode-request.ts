import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { GatewayOptions, GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { Message } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { invalid, keepMember, readBoolean, readName, readObject } from '../fields.ts';
import { checkMessages, decodeOption, type HeaderOptions, noHeaders } from '../gateway-options.ts';
import { addNested } from '../json.ts';
import { decodeParameter } from '../openai-parameters.ts';
import { CacheMarkers } from './cache-markers.ts';
import { decodeResponseFormat } from './decode-format.ts';
import { decodeFunctions, functionKeys } from './decode-functions.ts';
import { decodeMessages } from './decode-messages.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { toExtras } from './extras.ts';

/** A client's request, and how it wants the answer. */
export interface DecodedChatRequest {
  readonly request: CreateChatCompletionRequest;
  /** As server-sent events. */
  readonly stream: boolean;
  /** With a last chunk that carries the usage. */
  readonly includeUsage: boolean;
}

/**
 * Reads the body of POST /chat/completions, any JSON value.
 * @param headers what the request's headers say besides
 * @throws GatewayError INVALID_REQUEST that names the field as the client wrote it; nothing else
 */
export function decodeChatRequest(json: unknown, headers: HeaderOptions = noHeaders): DecodedChatRequest {
  const body = readObject(json, 'body');
  const markers = new CacheMarkers();
  const request = build.chatRequest(readName(body['model'], 'model', 512), noMessages);
  request.messages = decodeMessages(body['messages'], 'messages', markers);
  let parameters: GenerationParameters | undefined;
  let options: GatewayOptions | undefined;
  let unknown = '';
  for (const key in body) {
    const value = body[key];
    switch (key) {
      case 'model':
      case 'messages':
      case 'tool_choice':
      case 'stream':
      case 'stream_options':
        break;
      case 'functions':
      case 'function_call':
        // A provider of this form gets them as they came.
        unknown = keepMember(unknown, key, value, key);
        break;
      case 'tools':
        if (value !== null) request.tools = decodeTools(value, key, markers);
        break;
      case 'response_format':
        if (value !== null) {
          const { format, unknown: inner } = decodeResponseFormat(value, key);
          parameters ??= build.parameters();
          parameters.responseFormat = format;
          unknown = addNested(unknown, key, inner);
        }
        break;
      default: {
        const parametersSoFar: GenerationParameters = parameters ?? build.parameters();
        if (decodeParameter(parametersSoFar, key, value)) parameters = parametersSoFar;
        else {
          const optionsSoFar: GatewayOptions = options ?? build.gatewayOptions();
          if (decodeOption(optionsSoFar, key, value)) options = optionsSoFar;
          else unknown = keepMember(unknown, key, value, key);
        }
      }
    }
  }
  checkMessages(body['messages'], options, headers);
  const functions = decodeFunctions(body);
  const choice = body['tool_choice'] ?? null;
  if (functions !== null) {
    parameters ??= build.parameters();
    parameters.legacyFunctions = true;
    request.tools = functions.tools;
    if (functions.choice !== undefined) request.toolChoice = functions.choice;
  } else if (choice !== null) {
    const gatewayTools = headers.gatewayTools ?? options?.gatewayTools ?? [];
    const toolChoice = decodeToolChoice(choice, 'tool_choice', request.tools, gatewayTools);
    if (toolChoice !== undefined) request.toolChoice = toolChoice;
    else unknown = keepMember(unknown, 'tool_choice', choice, 'tool_choice');
  }
  if (parameters !== undefined) {
    checkLogprobs(parameters);
    request.parameters = parameters;
  }
  if (options !== undefined) request.options = options;
  const older = functionKeys.some((key) => Object.hasOwn(body, key));
  if (unknown !== '') request.extras = toExtras(unknown, older ? functionKeys : []);
  const stream =
    body['stream'] === undefined || body['stream'] === null ? false : readBoolean(body['stream'], 'stream');
  return { request, stream, includeUsage: readStreamOptions(body['stream_options'] ?? null, stream) };
}

const noMessages: Message[] = [];

function checkLogprobs(parameters: GenerationParameters): void {
  if ((parameters.topLogprobs ?? 0) > 0 && parameters.logprobs !== true) {
    throw invalid('top_logprobs', "'logprobs' to be true", undefined, 'no logprobs');
  }
}

/**
 * The obfuscation that OpenAI adds to chunks against eavesdroppers is not made by the gateway, so `include_obfuscation` asks for
 * what is the case or for a mere hint.
 */
function readStreamOptions(value: unknown, stream: boolean): boolean {
  const field = 'stream_options';
  if (value === null) return false;
  const options = readObject(value, field);
  if (!stream) throw invalid(field, "it only with 'stream' set to true", value, 'it without');
  for (const key in options) {
    if (key !== 'include_usage' && key !== 'include_obfuscation') {
      throw invalid(`${field}.${key}`, "'include_usage' or 'include_obfuscation'", value, 'another key');
    }
    if (options[key] !== null) readBoolean(options[key], `${field}.${key}`);
  }
  return options['include_usage'] === true;
}
