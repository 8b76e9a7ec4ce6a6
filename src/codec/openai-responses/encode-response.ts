import type { ErrorDetail } from '../../../gen/llmgateway/v1/error_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { GenerationParameters } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { Item, Response, ResponseParameters } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { responseParameters } from '../../model/build-responses.ts';
import { addText, isObject, quote, rest, splitMembers } from '../json.ts';
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
  const said = providersWord(response);
  const asked = parameters === undefined ? '' : `,${encodeAsked(parameters, said)}`;
  const withState = includesState(parameters?.include ?? []);
  const completedAt = response.completedAt === 0 ? 'null' : response.completedAt;
  const incomplete =
    response.incompleteReason === '' ? 'null' : `{"reason":${quote(response.incompleteReason)}}`;
  const { service_tier: tier = response.serviceTier, ...more } = said;
  return (
    `{"id":${quote(response.id)},"object":"response","created_at":${response.createdAt},` +
    `"status":"${encodeStatus(response.status)}","completed_at":${completedAt},` +
    `"error":${encodeFailure(response.error, response.errorMessage)},"incomplete_details":${incomplete},` +
    `"model":${quote(response.model || (parameters?.model ?? ''))},"output":${encodeItems(response.output, withState)},` +
    `"usage":${encodeUsage(response.usage)},"service_tier":${tier === '' ? '"default"' : JSON.stringify(tier)}${asked}` +
    `${others(more, parameters === undefined)}}`
  );
}

/** Keys of what was asked on which the gateway's word counts, not the provider's. */
const ownKeys: ReadonlySet<string> = new Set([
  'previous_response_id',
  'conversation',
  'background',
  'store',
  'prompt',
]);

/** A response's members of which the provider knows more than what was asked: its defaults, and keys that are not known here. */
function providersWord({ extras, parameters }: Response): Record<string, unknown> {
  const members = ownMembers(extras);
  if (members === '') return {};
  const json = JSON.parse(`{${members}}`) as Record<string, unknown>;
  for (const key of ownKeys) delete json[key];
  // Not every provider keeps what was asked to be kept; some add to it.
  if (isObject(json['metadata']))
    json['metadata'] = { ...json['metadata'], ...parameters?.parameters?.metadata };
  return json;
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

const orNull = (text: string): string => (text === '' ? 'null' : quote(text));

/** What was asked, once it was written: a stream says it several times. */
const tables = new WeakMap<ResponseParameters, readonly (readonly [key: string, json: string])[]>();

/** What was asked, as members; the provider's word on one of them wins. */
function encodeAsked(asked: ResponseParameters, said: Readonly<Record<string, unknown>>): string {
  let table = tables.get(asked);
  if (table === undefined) {
    table = Object.entries(askedMembers(asked));
    tables.set(asked, table);
  }
  let members = '';
  for (const [key, json] of table) {
    const value = said[key];
    members = addText(members, key, value === undefined || value === null ? json : JSON.stringify(value));
  }
  return members;
}

/** Members that no field of the request stands for. */
function others(said: Readonly<Record<string, unknown>>, all: boolean): string {
  let members = '';
  for (const key in said) {
    if (all || !askedKeys.has(key)) members += `,${quote(key)}:${JSON.stringify(said[key])}`;
  }
  return members;
}

/** Every member that says what was asked, as JSON text. */
function askedMembers(asked: ResponseParameters): Readonly<Record<string, string>> {
  const p: Partial<GenerationParameters> = asked.parameters ?? {};
  const own = ownMembers(asked.extras);
  const { inner: reasoning } = splitMembers(own, 'reasoning');
  // A choice of a hosted tool is among the keys without a field.
  const known = own === '' ? {} : (JSON.parse(`{${own}}`) as Record<string, unknown>);
  const choice =
    asked.toolChoice === undefined
      ? JSON.stringify(known['tool_choice'] ?? 'auto')
      : encodeToolChoice(asked.toolChoice);
  const tools = asked.tools.map((tool) => encodeTool(tool, true)).filter((json) => json !== '');
  return {
    instructions: orNull(asked.instructions),
    max_output_tokens: `${p.maxOutputTokens ?? 'null'}`,
    max_tool_calls: `${asked.maxToolCalls ?? 'null'}`,
    metadata: JSON.stringify(p.metadata ?? {}),
    parallel_tool_calls: `${p.parallelToolCalls ?? true}`,
    previous_response_id: orNull(asked.previousResponseId),
    conversation: asked.conversationId === '' ? 'null' : `{"id":${quote(asked.conversationId)}}`,
    background: `${asked.background}`,
    store: `${asked.store ?? true}`,
    prompt: asked.promptJson === '' ? 'null' : asked.promptJson,
    prompt_cache_key: orNull(p.promptCacheKey ?? ''),
    prompt_cache_retention: orNull(p.promptCacheRetention ?? ''),
    reasoning: `{"effort":${orNull(p.reasoningEffort ?? '')},"summary":${orNull(asked.reasoningSummary)}${rest(reasoning)}}`,
    safety_identifier: orNull(p.safetyIdentifier ?? ''),
    text: encodeText(p, own),
    tool_choice: choice,
    tools: `[${tools.join(',')}]`,
    temperature: `${p.temperature ?? 1}`,
    top_p: `${p.topP ?? 1}`,
    top_logprobs: `${p.topLogprobs ?? 0}`,
    presence_penalty: `${p.presencePenalty ?? 0}`,
    frequency_penalty: `${p.frequencyPenalty ?? 0}`,
    truncation: quote(asked.truncation || 'disabled'),
    user: orNull(p.user ?? ''),
    access_programs: JSON.stringify(known['access_programs'] ?? null),
    // What was found, not what was asked for.
    moderation: 'null',
  };
}

const askedKeys: ReadonlySet<string> = new Set(Object.keys(askedMembers(responseParameters('', []))));

function encodeText(p: Partial<GenerationParameters>, members: string): string {
  const { inner: text } = splitMembers(members, 'text');
  const { inner: formatMembers, outer } = splitMembers(text, 'format');
  const format = p.responseFormat === undefined ? '' : encodeFormat(p.responseFormat, formatMembers);
  const verbosity = quote(p.verbosity || 'medium');
  return `{"format":${format === '' ? '{"type":"text"}' : format},"verbosity":${verbosity}${rest(outer)}}`;
}
