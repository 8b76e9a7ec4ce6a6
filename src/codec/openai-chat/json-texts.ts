import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { Tool } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { Extras, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';

/** Keys of a body that the typed model has fields for, or that the gateway sets: as extras they would override those. */
const bodyKeys: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'tools',
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'top_k',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'stop',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'seed',
  'logprobs',
  'top_logprobs',
  'response_format',
  'reasoning_effort',
  'parallel_tool_calls',
  'modalities',
  'audio',
  'prediction',
  'verbosity',
  'service_tier',
  'web_search_options',
  'store',
  'metadata',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
  'safety_identifier',
  'user',
  'moderation',
  'session_id',
  'gateway_tools',
  'tool_approval',
  'approved_tool_calls',
  'fallbacks',
  'drop_params',
  'force_refresh',
  'no_store',
  'finish_when_abandoned',
]);
const bodyKeysAndChoice: ReadonlySet<string> = new Set([...bodyKeys, 'tool_choice']);
const messageKeys: ReadonlySet<string> = new Set(['role', 'content', 'tool_calls', 'tool_call_id', 'name']);
const partKeys: ReadonlySet<string> = new Set(['type', 'text', 'refusal']);
const noKeys: ReadonlySet<string> = new Set();
const toolKeys: ReadonlySet<string> = new Set(['type']);

/**
 * Checks the JSON texts of a request that came by RPC: encoders put them into their own text as they are.
 * @throws GatewayError INVALID_REQUEST that names the field in the contract's terms
 */
export function validateJsonTexts(request: CreateChatCompletionRequest): void {
  checkExtras(request.extras, 'extras', request.toolChoice === undefined ? bodyKeys : bodyKeysAndChoice);
  request.messages.forEach((message, i) => {
    checkExtras(message.extras, `messages[${i}].extras`, messageKeys);
    checkParts(message.parts, `messages[${i}].parts`);
  });
  request.tools.forEach((tool, i) => {
    checkTool(tool, `tools[${i}]`);
  });
  const choice = request.toolChoice;
  if (choice !== undefined && choice.allowedJson !== '')
    checkList(choice.allowedJson, 'tool_choice.allowed_json');
  const p = request.parameters;
  if (p === undefined) return;
  checkOptional(p.audioJson, 'parameters.audio_json');
  checkOptional(p.predictionJson, 'parameters.prediction_json');
  checkOptional(p.webSearchOptionsJson, 'parameters.web_search_options_json');
  checkOptional(p.promptCacheOptionsJson, 'parameters.prompt_cache_options_json');
  checkOptional(p.moderationJson, 'parameters.moderation_json');
  const format = p.responseFormat?.kind;
  const at = 'parameters.response_format';
  if (format?.case === 'jsonSchema') checkOptional(format.value.schemaJson, `${at}.json_schema.schema_json`);
  if (format?.case === 'opaque') checkObject(format.value.json, `${at}.opaque.json`);
}

function checkParts(parts: readonly Part[], at: string): void {
  for (let i = 0; i < parts.length; i++) {
    const { content, extras } = parts[i] as Part;
    if (extras !== undefined) checkExtras(extras, `${at}[${i}].extras`, partKeys);
    if (content.case === 'opaque') checkObject(content.value.json, `${at}[${i}].opaque.json`);
    else if (content.case === 'toolResult') checkParts(content.value.parts, `${at}[${i}].tool_result.parts`);
    else if (content.case === 'text') {
      content.value.annotations.forEach(({ kind, extras: more }, j) => {
        checkExtras(more, `${at}[${i}].text.annotations[${j}].extras`, noKeys);
        if (kind.case === 'opaque')
          checkObject(kind.value.json, `${at}[${i}].text.annotations[${j}].opaque.json`);
      });
    }
  }
}

function checkTool({ kind, extras }: Tool, at: string): void {
  checkExtras(extras, `${at}.extras`, toolKeys);
  if (kind.case === 'function') checkOptional(kind.value.parametersJson, `${at}.function.parameters_json`);
  if (kind.case === 'custom') checkOptional(kind.value.formatJson, `${at}.custom.format_json`);
  if (kind.case === 'hosted') checkObject(kind.value.json, `${at}.hosted.json`);
}

function checkExtras(extras: Extras | undefined, at: string, reserved: ReadonlySet<string>): void {
  if (extras === undefined) return;
  const json = checkObject(extras.json, `${at}.json`);
  if (extras.dialect !== dialectName) return;
  for (const key in json) {
    if (reserved.has(key)) {
      throw invalidRequest(`${at}.json`, `Invalid '${at}.json': '${key}' has a field of its own.`);
    }
  }
}

const checkOptional = (text: string, at: string): void => {
  if (text !== '') checkObject(text, at);
};

function checkObject(text: string, at: string): Record<string, unknown> {
  const json = parse(text, at, 'an object');
  if (!isObject(json)) throw invalidRequest(at, `Invalid '${at}': expected the JSON text of an object.`);
  return json;
}

function checkList(text: string, at: string): void {
  if (!Array.isArray(parse(text, at, 'a list'))) {
    throw invalidRequest(at, `Invalid '${at}': expected the JSON text of a list.`);
  }
}

function parse(text: string, at: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidRequest(
      at,
      `Invalid '${at}': expected the JSON text of ${expected}, but it does not parse.`,
    );
  }
}
