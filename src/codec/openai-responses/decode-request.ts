import type { GatewayOptions, GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { ResponseParameters } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import * as build from '../../model/build.ts';
import { responseParameters } from '../../model/build-responses.ts';
import {
  invalid,
  keepMember,
  readBoolean,
  readInteger,
  readName,
  readObject,
  readObjectText,
  readOptionalString,
  readString,
  readStrings,
} from '../fields.ts';
import { decodeOption } from '../gateway-options.ts';
import { addNested, isObject } from '../json.ts';
import { decodeParameter } from '../openai-parameters.ts';
import { decodeFormat } from './decode-format.ts';
import { decodeInput } from './decode-item.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { toExtras } from './extras.ts';

/** A client's request, and how it wants the answer. */
export interface DecodedResponseRequest {
  readonly parameters: ResponseParameters;
  /** As server-sent events. */
  readonly stream: boolean;
}

/** What a request is for: without a model or input there is nothing to answer, but there may be something to count. */
export interface ResponseRequestRules {
  readonly needsModel: boolean;
}

const maxUint32 = 0xffff_ffff;

/** Parameters under the names of the chat API that the two have in common, or that providers of this API take as well. */
const sharedParameters: ReadonlySet<string> = new Set([
  'temperature',
  'top_p',
  'top_k',
  'top_logprobs',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'parallel_tool_calls',
  'service_tier',
  'metadata',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
  'safety_identifier',
  'user',
  'moderation',
]);

/** Takes the members of a body one by one. */
class Reader {
  readonly into: ResponseParameters;
  readonly parameters: GenerationParameters = build.parameters();
  options: GatewayOptions | undefined;
  unknown = '';
  #isParametrised = false;

  constructor(into: ResponseParameters) {
    this.into = into;
  }

  read(key: string, value: unknown): void {
    if (this.#request(key, value) || this.#output(key, value)) return;
    if (sharedParameters.has(key) && decodeParameter(this.parameters, key, value)) {
      this.#isParametrised = true;
      return;
    }
    const options = this.options ?? build.gatewayOptions();
    if (decodeOption(options, key, value)) this.options = options;
    else this.unknown = keepMember(this.unknown, key, value, key);
  }

  finish(): void {
    const { into, parameters } = this;
    if (into.include.includes('message.output_text.logprobs') || (parameters.topLogprobs ?? 0) > 0) {
      parameters.logprobs = true;
      this.#isParametrised = true;
    }
    if (this.#isParametrised) into.parameters = parameters;
    if (this.options !== undefined) into.options = this.options;
    if (this.unknown !== '') into.extras = toExtras(this.unknown);
  }

  /** What is asked, and where it belongs. */
  #request(key: string, value: unknown): boolean {
    const { into } = this;
    switch (key) {
      case 'model':
      case 'stream':
        return true;
      case 'stream_options':
        readStreamOptions(value);
        return true;
      case 'input':
        if (value !== null) into.input = decodeInput(value, key);
        return true;
      case 'instructions':
        into.instructions = readOptionalString(value, key);
        return true;
      case 'previous_response_id':
        into.previousResponseId = readOptionalString(value, key, 256);
        return true;
      case 'conversation':
        into.conversationId = readConversation(value);
        return true;
      case 'store':
        if (value !== null) into.store = readBoolean(value, key);
        return true;
      case 'background':
        if (value !== null) into.background = readBoolean(value, key);
        return true;
      case 'prompt':
        if (value !== null) into.promptJson = readObjectText(value, key);
        return true;
      case 'truncation':
        into.truncation = readTruncation(value);
        return true;
      default:
        return false;
    }
  }

  /** What the answer is made with, and how it looks. */
  #output(key: string, value: unknown): boolean {
    const { into } = this;
    switch (key) {
      case 'include':
        if (value !== null) into.include = readStrings(value, key, 32, 128);
        return true;
      case 'tools':
        if (value !== null) into.tools = decodeTools(value, key);
        return true;
      case 'tool_choice': {
        const choice = value === null ? undefined : decodeToolChoice(value, key);
        if (choice !== undefined) into.toolChoice = choice;
        else if (value !== null) this.unknown = keepMember(this.unknown, key, value, key);
        return true;
      }
      case 'max_tool_calls':
        if (value !== null) into.maxToolCalls = readInteger(value, key, 1, maxUint32);
        return true;
      case 'max_output_tokens':
        if (value !== null) {
          this.parameters.maxOutputTokens = readInteger(value, key, 1, maxUint32);
          this.#isParametrised = true;
        }
        return true;
      case 'reasoning':
        if (value !== null) this.#reasoning(value);
        return true;
      case 'text':
        if (value !== null) this.#text(value);
        return true;
      default:
        return false;
    }
  }

  #reasoning(value: unknown): void {
    const json = readObject(value, 'reasoning');
    let inner = '';
    for (const key in json) {
      const member = json[key];
      if (key === 'effort') {
        this.parameters.reasoningEffort = readOptionalString(member, 'reasoning.effort', 32);
        this.#isParametrised = true;
      } else if (key === 'summary') {
        this.into.reasoningSummary = readOptionalString(member, 'reasoning.summary', 32);
      } else inner = keepMember(inner, key, member, `reasoning.${key}`);
    }
    this.unknown = addNested(this.unknown, 'reasoning', inner);
  }

  #text(value: unknown): void {
    const json = readObject(value, 'text');
    let inner = '';
    for (const key in json) {
      const member = json[key];
      if (key === 'format') {
        if (member === null) continue;
        const { format, unknown } = decodeFormat(member, 'text.format');
        this.parameters.responseFormat = format;
        this.#isParametrised = true;
        inner = addNested(inner, 'format', unknown);
      } else if (key === 'verbosity') {
        this.parameters.verbosity = readOptionalString(member, 'text.verbosity', 32);
        this.#isParametrised = true;
      } else inner = keepMember(inner, key, member, `text.${key}`);
    }
    this.unknown = addNested(this.unknown, 'text', inner);
  }
}

/**
 * Reads the body of POST /responses, any JSON value.
 * @throws GatewayError INVALID_REQUEST that names the field as the client wrote it; nothing else
 */
export function decodeResponseRequest(
  json: unknown,
  { needsModel }: ResponseRequestRules = { needsModel: true },
): DecodedResponseRequest {
  const body = readObject(json, 'body');
  const given = body['model'] ?? null;
  const model = given === null && !needsModel ? '' : readName(body['model'], 'model', 512);
  const reader = new Reader(responseParameters(model, []));
  for (const key in body) reader.read(key, body[key]);
  reader.finish();
  const { into: parameters } = reader;
  if (parameters.previousResponseId !== '' && parameters.conversationId !== '') {
    throw invalid('conversation', 'it without previous_response_id', body['conversation'], 'both of them');
  }
  const { stream = null } = body;
  return { parameters, stream: stream === null ? false : readBoolean(stream, 'stream') };
}

function readConversation(value: unknown): string {
  if (value === null) return '';
  return isObject(value)
    ? readName(value['id'], 'conversation.id', 256)
    : readString(value, 'conversation', 256);
}

function readTruncation(value: unknown): string {
  const text = readOptionalString(value, 'truncation', 64);
  if (text !== '' && text !== 'auto' && text !== 'disabled') {
    throw invalid('truncation', "'auto' or 'disabled'", value, 'another string');
  }
  return text;
}

/** The obfuscation that OpenAI adds against eavesdroppers is not made by the gateway: the only option is a hint. */
function readStreamOptions(value: unknown): void {
  if (value === null) return;
  const options = readObject(value, 'stream_options');
  for (const key in options) {
    if (key !== 'include_obfuscation') {
      throw invalid(`stream_options.${key}`, "'include_obfuscation'", options[key], 'another key');
    }
    if (options[key] !== null) readBoolean(options[key], `stream_options.${key}`);
  }
}
