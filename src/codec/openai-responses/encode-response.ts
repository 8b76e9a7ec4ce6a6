import type { ErrorDetail } from '../../../gen/llmgateway/v1/error_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { Item, Response, ResponseParameters } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { quote, splitMembers } from '../json.ts';
import { encodeFormat } from './encode-format.ts';
import { encodeItem } from './encode-item.ts';
import { encodeTool, encodeToolChoice } from './encode-tools.ts';
import { encodeUsage } from './encode-usage.ts';
import { ownMembers } from './extras.ts';
import { encodeStatus } from './status.ts';

/** What a client asked to see besides. */
export const includesState = (include: readonly string[]): boolean =>
  include.includes('reasoning.encrypted_content');

/** Items as a JSON list: those of an answer, or stored ones. */
export const encodeItems = (items: readonly Item[], withState: boolean): string =>
  `[${items.map((item) => encodeItem(item, { complete: true, withState })).join(',')}]`;

/** A response as JSON text. Every field is there; what is not set is null. */
export function encodeResponse(response: Response): string {
  const { parameters } = response;
  const asked = parameters === undefined ? '' : `,${encodeAsked(parameters)}`;
  const withState = includesState(parameters?.include ?? []);
  const completedAt = response.completedAt === 0 ? 'null' : response.completedAt;
  const incomplete =
    response.incompleteReason === '' ? 'null' : `{"reason":${quote(response.incompleteReason)}}`;
  const tier = response.serviceTier || parameters?.parameters?.serviceTier || '';
  return (
    `{"id":${quote(response.id)},"object":"response","created_at":${response.createdAt},` +
    `"status":"${encodeStatus(response.status)}","completed_at":${completedAt},` +
    `"error":${encodeFailure(response.error, response.errorMessage)},"incomplete_details":${incomplete},` +
    `"model":${quote(response.model || (parameters?.model ?? ''))},"output":${encodeItems(response.output, withState)},` +
    `"usage":${encodeUsage(response.usage)},"service_tier":${tier === '' ? '"default"' : quote(tier)}${asked}` +
    `${unknownMembers(response)}}`
  );
}

/** Keys that the gateway itself says, whatever the provider said. */
const ownKeys =
  /^(?:id|object|created_at|status|completed_at|error|incomplete_details|model|output|usage|service_tier)$/;

function unknownMembers({ extras }: Response): string {
  const members = ownMembers(extras);
  if (members === '') return '';
  const json = JSON.parse(`{${members}}`) as Record<string, unknown>;
  let out = '';
  for (const key in json) {
    if (!ownKeys.test(key) && !askedKeys.has(key)) out += `,${quote(key)}:${JSON.stringify(json[key])}`;
  }
  return out;
}

/** `response.error.code`s by reason; others are the server's. */
const failureCodes: Readonly<Partial<Record<ErrorReason, string>>> = {
  [ErrorReason.RATE_LIMITED]: 'rate_limit_exceeded',
  [ErrorReason.UPSTREAM_RATE_LIMITED]: 'rate_limit_exceeded',
  [ErrorReason.BUDGET_EXHAUSTED]: 'rate_limit_exceeded',
  [ErrorReason.INVALID_REQUEST]: 'invalid_prompt',
  [ErrorReason.UPSTREAM_REJECTED]: 'invalid_prompt',
  [ErrorReason.CONTENT_FILTERED]: 'invalid_prompt',
};

/** Why a response failed, as its `error`; "null" where it did not. */
export function encodeFailure(error: ErrorDetail | undefined, message: string): string {
  if (error === undefined) return 'null';
  const code = failureCodes[error.reason] ?? 'server_error';
  return `{"code":"${code}","message":${quote(message)}}`;
}

const askedKeys: ReadonlySet<string> = new Set([
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'parallel_tool_calls',
  'previous_response_id',
  'conversation',
  'background',
  'store',
  'prompt',
  'prompt_cache_key',
  'prompt_cache_retention',
  'reasoning',
  'safety_identifier',
  'text',
  'tool_choice',
  'tools',
  'temperature',
  'top_p',
  'top_logprobs',
  'presence_penalty',
  'frequency_penalty',
  'truncation',
  'user',
]);

const orNull = (text: string): string => (text === '' ? 'null' : quote(text));

/** What was asked, as members without braces. */
function encodeAsked(asked: ResponseParameters): string {
  const p: Partial<GenerationParameters> = asked.parameters ?? {};
  const own = ownMembers(asked.extras);
  const { inner: reasoning } = splitMembers(own, 'reasoning');
  const more = (inner: string): string => (inner === '' ? '' : `,${inner}`);
  const tools = asked.tools.map((tool) => encodeTool(tool, true)).filter((json) => json !== '');
  const choice =
    asked.toolChoice === undefined
      ? memberOf(own, 'tool_choice', '"auto"')
      : encodeToolChoice(asked.toolChoice);
  const conversation = asked.conversationId === '' ? 'null' : `{"id":${quote(asked.conversationId)}}`;
  return (
    `"instructions":${orNull(asked.instructions)},"max_output_tokens":${p.maxOutputTokens ?? 'null'},` +
    `"max_tool_calls":${asked.maxToolCalls ?? 'null'},"metadata":${JSON.stringify(p.metadata ?? {})},` +
    `"parallel_tool_calls":${p.parallelToolCalls ?? true},` +
    `"previous_response_id":${orNull(asked.previousResponseId)},"conversation":${conversation},` +
    `"background":${asked.background},"store":${asked.store ?? true},` +
    `"prompt":${asked.promptJson === '' ? 'null' : asked.promptJson},` +
    `"prompt_cache_key":${orNull(p.promptCacheKey ?? '')},` +
    `"prompt_cache_retention":${orNull(p.promptCacheRetention ?? '')},` +
    `"reasoning":{"effort":${orNull(p.reasoningEffort ?? '')},"summary":${orNull(asked.reasoningSummary)}${more(reasoning)}},` +
    `"safety_identifier":${orNull(p.safetyIdentifier ?? '')},"text":${encodeText(p, own)},` +
    `"tool_choice":${choice},"tools":[${tools.join(',')}],` +
    `"temperature":${p.temperature ?? 1},"top_p":${p.topP ?? 1},"top_logprobs":${p.topLogprobs ?? 0},` +
    `"presence_penalty":${p.presencePenalty ?? 0},"frequency_penalty":${p.frequencyPenalty ?? 0},` +
    `"truncation":${quote(asked.truncation || 'disabled')},"user":${orNull(p.user ?? '')}`
  );
}

function encodeText(
  { responseFormat, verbosity = '' }: Partial<GenerationParameters>,
  members: string,
): string {
  const { inner: text } = splitMembers(members, 'text');
  const { inner: formatMembers, outer } = splitMembers(text, 'format');
  const format = responseFormat === undefined ? '' : encodeFormat(responseFormat, formatMembers);
  const more = outer === '' ? '' : `,${outer}`;
  return `{"format":${format === '' ? '{"type":"text"}' : format},"verbosity":${quote(verbosity || 'medium')}${more}}`;
}

function memberOf(members: string, key: string, fallback: string): string {
  if (!members.includes(`"${key}"`)) return fallback;
  const value = (JSON.parse(`{${members}}`) as Record<string, unknown>)[key];
  return value === undefined ? fallback : JSON.stringify(value);
}
