import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import { addText, rest, splitMembers } from '../json.ts';
import { ownMembers } from './extras.ts';

const countOrNull = (value: number | undefined): string => (value === undefined ? 'null' : `${value}`);

/**
 * The `usage` object as JSON text, in Anthropic's meaning: `input_tokens` are those that were neither read from nor written to
 * the prompt cache.
 * @param used undefined when the provider did not report any; clients require the object, so the counts are then 0
 */
export function encodeUsage(used: Usage | undefined): string {
  if (used === undefined) return '{"input_tokens":0,"output_tokens":0}';
  const { promptTokens, completionTokens, cachedTokens, cacheWriteTokens, reasoningTokens } = used;
  const fresh = Math.max(0, promptTokens - (cachedTokens ?? 0) - (cacheWriteTokens ?? 0));
  const { inner, outer } = splitMembers(ownMembers(used.extras), 'output_tokens_details');
  let details = inner;
  if (reasoningTokens !== undefined) details = addText(details, 'thinking_tokens', `${reasoningTokens}`);
  return (
    `{"input_tokens":${fresh},"cache_creation_input_tokens":${countOrNull(cacheWriteTokens)},` +
    `"cache_read_input_tokens":${countOrNull(cachedTokens)},"output_tokens":${completionTokens}` +
    `${details === '' ? '' : `,"output_tokens_details":{${details}}`}${rest(outer)}}`
  );
}
