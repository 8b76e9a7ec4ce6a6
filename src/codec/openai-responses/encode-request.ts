import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { GenerationParameters, ToolChoice } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { Message } from '../../../gen/llmgateway/v1/message_pb.js';
import type { Item } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { itemsOf } from '../../model/items.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { addText, number, quote, rest, splitMembers } from '../json.ts';
import { takeTools } from '../tool-choice.ts';
import { dialectName, isGatewayItemId } from './dialect.ts';
import { encodeFormat } from './encode-format.ts';
import { encodeItem } from './encode-item.ts';
import { encodeTool, encodeToolChoice } from './encode-tools.ts';
import { fitMessages } from './fit-messages.ts';

export interface EncodeRequestOptions {
  /** The model's name at the provider. */
  readonly model: string;
  readonly stream: boolean;
  /** Its name: what only it can read goes back to it alone. Default: OpenAI. */
  readonly provider?: string;
  /**
   * It is to keep nothing: the gateway does. What only it can read is asked for, so that it can be given back. Default: it keeps what the
   * request says.
   */
  readonly stateless?: boolean;
}

export interface EncodedResponseRequest {
  /** JSON text. The same request gives the same bytes, and JSON text within it stays as it was. */
  readonly body: string;
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/** Parameters, under their names on the REST face, that this API does not have. */
export const unsupportedParameters: readonly string[] = [
  'top_k',
  'stop',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'n',
  'modalities',
  'audio',
  'prediction',
  'web_search_options',
];

/**
 * Writes the body of POST /responses. What is asked of the gateway itself is not in it.
 * @throws GatewayError UNSUPPORTED_PARAMETER for what the provider cannot take and the answer hangs on
 */
export function encodeResponseRequest(
  request: CreateChatCompletionRequest,
  { model, stream, provider = 'openai', stateless = false }: EncodeRequestOptions,
): EncodedResponseRequest {
  const warnings = new EncodeWarnings(dialectName, request.options?.dropParams);
  const members = warnings.members(request.extras, 'extras');
  const { inner: reasoning, outer: withoutReasoning } = splitMembers(members, 'reasoning');
  const { inner: text, outer } = splitMembers(withoutReasoning, 'text');
  const { instructions, others } = splitInstructions(request.messages);
  const items = itemsOf(fitMessages(others, warnings, { provider, stateless }));
  const input = items.map((item) => encodeItem(asGiven(item), { complete: false, withState: true }));
  let body = `{"model":${quote(model)},"input":[${input.join(',')}]`;
  if (instructions !== '') body += `,"instructions":${quote(instructions)}`;
  const { list: tools, choice } = encodeTools(request, warnings);
  if (tools !== '') body += `,"tools":[${tools}]`;
  if (choice !== undefined) body += `,"tool_choice":${encodeToolChoice(choice)}`;
  const kept = stateless ? false : request.parameters?.store;
  body += encodeParameters(request.parameters, { reasoning, text, members: outer }, warnings);
  if (kept !== undefined) body += `,"store":${kept}`;
  if (stream) body += ',"stream":true';
  let more = request.parameters?.logprobs === true ? including(outer, logprobsKey) : outer;
  if (stateless && hasState(model)) more = including(more, stateKey);
  return { body: `${body}${rest(more)}}`, warnings: warnings.warnings };
}

/** An item without an id that its provider does not know. */
const asGiven = (item: Item): Item => (isGatewayItemId(item.id) ? { ...item, id: '' } : item);

/** The request's own instructions have a place of their own. */
function splitInstructions(messages: readonly Message[]): {
  readonly instructions: string;
  readonly others: Message[];
} {
  const texts: string[] = [];
  const others: Message[] = [];
  for (const message of messages) {
    if (!message.instructions) others.push(message);
    else for (const { content } of message.parts) if (content.case === 'text') texts.push(content.value.text);
  }
  return { instructions: texts.join('\n\n'), others };
}

function encodeTools(
  request: CreateChatCompletionRequest,
  warnings: EncodeWarnings,
): { readonly list: string; readonly choice: ToolChoice | undefined } {
  const target = { dialect: dialectName, provider: 'the provider', customTools: true };
  const { tools, choice } = takeTools(request, null, target, warnings);
  for (const { tool, at } of tools) warnings.members(tool.extras, at);
  return { list: tools.map(({ tool }) => encodeTool(tool, false)).join(','), choice };
}

interface Members {
  readonly reasoning: string;
  readonly text: string;
  readonly members: string;
}

function encodeParameters(
  p: GenerationParameters | undefined,
  { reasoning, text }: Members,
  warnings: EncodeWarnings,
): string {
  let json = '';
  const effort = p === undefined || p.reasoningEffort === '' ? '' : `"effort":${quote(p.reasoningEffort)}`;
  const thinking = effort === '' ? reasoning : `${effort}${rest(reasoning)}`;
  if (thinking !== '') json += `,"reasoning":{${thinking}}`;
  const form = encodeText(p, text, warnings);
  if (form !== '') json += `,"text":{${form}}`;
  return p === undefined ? json : json + encodeSettings(p, warnings);
}

function encodeText(p: GenerationParameters | undefined, members: string, warnings: EncodeWarnings): string {
  const { inner, outer } = splitMembers(members, 'format');
  let json = '';
  if (p?.responseFormat !== undefined) {
    const format = encodeFormat(p.responseFormat, inner);
    if (format !== '') json = addText(json, 'format', format);
    else warnings.refuse('response_format', 'response_format', `it has no place in ${dialectName}`);
  }
  if (p !== undefined && p.verbosity !== '') json = addText(json, 'verbosity', quote(p.verbosity));
  return outer === '' ? json : json === '' ? outer : `${json},${outer}`;
}

function encodeSettings(p: GenerationParameters, warnings: EncodeWarnings): string {
  let json = '';
  if (p.reasoningBudgetTokens !== undefined) {
    const field = 'parameters.reasoning_budget_tokens';
    warnings.hint('dropped_reasoning_budget', field, 'the provider takes no reasoning budget');
  }
  if (p.maxOutputTokens !== undefined) json += `,"max_output_tokens":${number(p.maxOutputTokens)}`;
  if (p.temperature !== undefined) json += `,"temperature":${number(p.temperature)}`;
  if (p.topP !== undefined) json += `,"top_p":${number(p.topP)}`;
  if (p.topLogprobs !== undefined) json += `,"top_logprobs":${number(p.topLogprobs)}`;
  if (p.parallelToolCalls !== undefined) json += `,"parallel_tool_calls":${p.parallelToolCalls}`;
  if (p.serviceTier !== '') json += `,"service_tier":${quote(p.serviceTier)}`;
  if (Object.keys(p.metadata).length > 0) json += `,"metadata":${JSON.stringify(p.metadata)}`;
  if (p.promptCacheKey !== '') json += `,"prompt_cache_key":${quote(p.promptCacheKey)}`;
  if (p.promptCacheRetention !== '') json += `,"prompt_cache_retention":${quote(p.promptCacheRetention)}`;
  if (p.promptCacheOptionsJson !== '') json += `,"prompt_cache_options":${p.promptCacheOptionsJson}`;
  if (p.safetyIdentifier !== '') json += `,"safety_identifier":${quote(p.safetyIdentifier)}`;
  if (p.user !== '') json += `,"user":${quote(p.user)}`;
  if (p.moderationJson !== '') json += `,"moderation":${p.moderationJson}`;
  return json;
}

const logprobsKey = 'message.output_text.logprobs';
const stateKey = 'reasoning.encrypted_content';

/** OpenAI refuses to be asked for the state of reasoning by models that do not reason: "Encrypted content is not supported with this model". */
const hasState = (model: string): boolean =>
  !/^(?:gpt-3|gpt-4|chatgpt-|gpt-5(?:\.\d+)?-chat|gpt-audio)/.test(model.replace(/^ft:/, ''));

/** Members that ask for more to be included. */
function including(members: string, key: string): string {
  if (!members.includes('"include"')) return addText(members, 'include', `["${key}"]`);
  const json = JSON.parse(`{${members}}`) as Record<string, unknown>;
  const { include } = json;
  const list: readonly unknown[] = Array.isArray(include) ? include : [];
  if (list.includes(key)) return members;
  json['include'] = [...list, key];
  return JSON.stringify(json).slice(1, -1);
}
