import type { GenerationParameters, ResponseFormat } from '../../../gen/llmgateway/v1/generation_pb.js';
import { number, quote, rest, splitMembers } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/** The parameters as members, each with `,` before it. `format` are further members of the response format. */
export function encodeParameters(
  parameters: GenerationParameters,
  context: EncodeContext,
  format: string,
): string {
  const p = parameters;
  let json = '';
  if (p.temperature !== undefined) json += `,"temperature":${number(p.temperature)}`;
  if (p.topP !== undefined) json += `,"top_p":${number(p.topP)}`;
  if (p.topK !== undefined) json += `,"top_k":${number(p.topK)}`;
  if (p.maxOutputTokens !== undefined) json += `,"${limitName(p, context)}":${number(p.maxOutputTokens)}`;
  if (p.n !== undefined) json += `,"n":${number(p.n)}`;
  if (p.stop.length > 0) json += `,"stop":${JSON.stringify(p.stop)}`;
  if (p.presencePenalty !== undefined) json += `,"presence_penalty":${number(p.presencePenalty)}`;
  if (p.frequencyPenalty !== undefined) json += `,"frequency_penalty":${number(p.frequencyPenalty)}`;
  if (hasEntries(p.logitBias)) json += `,"logit_bias":${JSON.stringify(p.logitBias)}`;
  if (p.seed !== undefined) json += `,"seed":${number(p.seed)}`;
  if (p.logprobs !== undefined) json += `,"logprobs":${p.logprobs}`;
  if (p.topLogprobs !== undefined) json += `,"top_logprobs":${number(p.topLogprobs)}`;
  if (p.responseFormat !== undefined) json += encodeFormat(p.responseFormat, context, format);
  json += encodeEffort(p, context);
  if (p.parallelToolCalls !== undefined) json += `,"parallel_tool_calls":${p.parallelToolCalls}`;
  return json + encodeSettings(p);
}

function encodeSettings(p: GenerationParameters): string {
  let json = '';
  if (p.modalities.length > 0) json += `,"modalities":${JSON.stringify(p.modalities)}`;
  if (p.audioJson !== '') json += `,"audio":${p.audioJson}`;
  if (p.predictionJson !== '') json += `,"prediction":${p.predictionJson}`;
  if (p.verbosity !== '') json += `,"verbosity":${quote(p.verbosity)}`;
  if (p.serviceTier !== '') json += `,"service_tier":${quote(p.serviceTier)}`;
  if (p.webSearchOptionsJson !== '') json += `,"web_search_options":${p.webSearchOptionsJson}`;
  if (p.store !== undefined) json += `,"store":${p.store}`;
  if (hasEntries(p.metadata)) json += `,"metadata":${JSON.stringify(p.metadata)}`;
  if (p.promptCacheKey !== '') json += `,"prompt_cache_key":${quote(p.promptCacheKey)}`;
  if (p.promptCacheRetention !== '') json += `,"prompt_cache_retention":${quote(p.promptCacheRetention)}`;
  if (p.promptCacheOptionsJson !== '') json += `,"prompt_cache_options":${p.promptCacheOptionsJson}`;
  if (p.safetyIdentifier !== '') json += `,"safety_identifier":${quote(p.safetyIdentifier)}`;
  if (p.user !== '') json += `,"user":${quote(p.user)}`;
  if (p.moderationJson !== '') json += `,"moderation":${p.moderationJson}`;
  return json;
}

function hasEntries(map: object): boolean {
  for (const _ in map) return true;
  return false;
}

function limitName(p: GenerationParameters, { dialect }: EncodeContext): string {
  if (dialect.maxTokens !== 'as-given') return dialect.maxTokens;
  return p.legacyMaxTokens ? 'max_tokens' : 'max_completion_tokens';
}

/** A budget wins over an effort where the provider has budgets. */
function encodeEffort(p: GenerationParameters, context: EncodeContext): string {
  const budget = p.reasoningBudgetTokens;
  if (budget !== undefined) {
    if (context.dialect.reasoningBudget !== 'none') return `,"reasoning":{"max_tokens":${number(budget)}}`;
    const field = 'parameters.reasoning_budget_tokens';
    context.hint('dropped_reasoning_budget', field, 'the provider takes no reasoning budget');
  }
  return p.reasoningEffort === '' ? '' : `,"reasoning_effort":${quote(p.reasoningEffort)}`;
}

function encodeFormat({ kind }: ResponseFormat, context: EncodeContext, members: string): string {
  switch (kind.case) {
    case 'text':
      return `,"response_format":{"type":"text"${rest(members)}}`;
    case 'jsonObject':
      return `,"response_format":{"type":"json_object"${rest(members)}}`;
    case 'jsonSchema': {
      const { name, description, schemaJson, strict } = kind.value;
      const { inner, outer } = splitMembers(members, 'json_schema');
      let json = `{"name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      if (schemaJson !== '') json += `,"schema":${schemaJson}`;
      if (strict !== undefined) json += `,"strict":${strict}`;
      return `,"response_format":{"type":"json_schema","json_schema":${json}${rest(inner)}}${rest(outer)}}`;
    }
    case 'opaque':
      if (kind.value.dialect === dialectName) return `,"response_format":${kind.value.json}`;
      context.refuse(
        'response_format',
        'response_format',
        `a form of ${kind.value.dialect} has no place in openai.chat`,
      );
      return '';
    default:
      return '';
  }
}
