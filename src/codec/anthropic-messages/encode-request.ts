import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import { claudeModel } from '../claude-model.ts';
import type { ClaudeThinking } from '../claude-thinking.ts';
import { number, quote, rest } from '../json.ts';
import { isForced } from '../tool-choice.ts';
import { EncodeContext } from './encode-context.ts';
import { encodeMessages } from './encode-messages.ts';
import { encodeOutputConfig, encodeSampling, encodeSettings, limitOf } from './encode-parameters.ts';
import { encodeThinking } from './encode-thinking.ts';
import { encodeToolChoice, encodeTools } from './encode-tools.ts';
import { OwnMembers, textOf } from './own-members.ts';

export interface EncodeRequestOptions {
  /** The model's name at the provider. */
  readonly model: string;
  readonly stream: boolean;
  /** Only the input tokens are to be counted: what is about the answer is left out. Default false. */
  readonly counting?: boolean;
  /**
   * Where the body goes: Anthropic's own API and those like it name the model in it; Google's Vertex and Amazon's Bedrock name it in the
   * path, and the form's version in the body; at Bedrock, betas are in the body, too, and streams have a path of their own. Default
   * `anthropic`.
   */
  readonly host?: 'anthropic' | 'vertex' | 'bedrock';
  /** Most tokens that the model can give, sent where the client sets no limit. Default: by the model's name, else 4,096. */
  readonly defaultMaxTokens?: number;
}

export interface EncodedMessagesRequest {
  /** JSON text. The same request gives the same bytes, and JSON text within it stays as it was. */
  readonly body: string;
  /** Its members of these names by themselves, as JSON text; '' for none. */
  readonly system: string;
  readonly messages: string;
  /** Values of the header `anthropic-beta` that the client wants sent. */
  readonly betas: readonly string[];
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/** Members that counting takes, of those that have no field. */
const countedMembers: ReadonlySet<string> = new Set([
  'cache_control',
  'context_management',
  'mcp_servers',
  'output_format',
  'speed',
  'anthropic_version',
]);

/** Members that are the gateway's: as extras they would override what it has decided. */
const reserved = ['model', 'messages', 'system', 'tools', 'stream'];

const versions = { vertex: 'vertex-2023-10-16', bedrock: 'bedrock-2023-05-31' } as const;

/**
 * Writes the body of POST /v1/messages, or of /v1/messages/count_tokens. What is asked of the gateway itself is not in it.
 * @throws GatewayError INVALID_REQUEST or UNSUPPORTED_PARAMETER that names the field, for what Anthropic cannot take and the
 * answer's meaning hangs on
 */
export function encodeMessagesRequest(
  request: CreateChatCompletionRequest,
  { model, stream, counting = false, host = 'anthropic', defaultMaxTokens }: EncodeRequestOptions,
): EncodedMessagesRequest {
  const context = new EncodeContext(request, claudeModel(model));
  const { parameters } = request;
  const own = new OwnMembers(context.members(request.extras, 'extras'));
  const betas = stringsOf(own.take('anthropic_beta'));
  for (const key of reserved) {
    if (own.take(key) !== undefined)
      context.warn('dropped_extras', 'extras', `${key} has a field of its own`);
  }
  // In the order of the prompt, which decides what cache markers are the last.
  const { list: tools, choice: chosen } = encodeTools(request, context);
  const { system, messages } = encodeMessages(request.messages, context);
  const known = defaultMaxTokens ?? context.model.maxOutputTokens;
  const outputConfig = own.takeObject('output_config');
  const facts = {
    forced: isForced(chosen),
    ownEffort: Object.hasOwn(outputConfig ?? {}, 'effort'),
    interleaved: betas.some((beta) => beta.startsWith('interleaved-thinking')),
    limit: parameters?.maxOutputTokens ?? known ?? Number.POSITIVE_INFINITY,
  };
  const thinking = encodeThinking(request, own.takeObject('thinking'), facts, context);
  const choice = encodeToolChoice(
    chosen,
    // The older form of tools has a place for one call.
    parameters?.parallelToolCalls ?? (parameters?.legacyFunctions ? false : undefined),
    tools !== '',
    textOf(own.takeObject('tool_choice') ?? {}),
  );
  const config = encodeOutputConfig(
    request,
    outputConfig,
    own.has('output_format'),
    thinking.effort,
    context,
  );

  let body = host === 'anthropic' || counting ? `{"model":${quote(model)}` : versionHead(own, versions[host]);
  if (host === 'bedrock' && betas.length > 0) body += `,"anthropic_beta":${JSON.stringify(betas)}`;
  if (!counting) body += `,"max_tokens":${limitText(request, own, known, thinking)}`;
  if (system !== '') body += `,"system":${system}`;
  if (tools !== '') body += `,"tools":[${tools}]`;
  if (choice !== '') body += `,"tool_choice":${choice}`;
  if (thinking.json !== '') body += `,"thinking":${thinking.json}`;
  if (config !== '' || outputConfig !== undefined) body += `,"output_config":{${config}}`;
  if (!counting) {
    if (parameters !== undefined) body += encodeSampling(parameters, thinking, context);
    body += encodeSettings(parameters, own, context);
    if (stream && host !== 'bedrock') body += ',"stream":true';
  }
  body += `,"messages":${messages}${rest(own.rest(counting ? countedMembers : undefined))}}`;
  return { body, system, messages, betas, warnings: context.warnings };
}

function versionHead(own: OwnMembers, version: string): string {
  const given = own.take('anthropic_version');
  return `{"anthropic_version":${quote(typeof given === 'string' ? given : version)}`;
}

/** The limit as it was written, where it is one that the model has no field for: 0 only fills the prompt cache. */
function limitText(
  { parameters }: CreateChatCompletionRequest,
  own: OwnMembers,
  known: number | undefined,
  { budget }: ClaudeThinking,
): string {
  const given = own.take('max_tokens');
  return typeof given === 'number' ? number(given) : number(limitOf(parameters, known, budget));
}

const stringsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
