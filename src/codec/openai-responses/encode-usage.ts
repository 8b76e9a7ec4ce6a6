import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import { rest, splitMembers } from '../json.ts';
import { ownMembers } from './extras.ts';

/** Usage as JSON text, in this API's names; "null" where it is not known. */
export function encodeUsage(usage: Usage | undefined): string {
  if (usage === undefined) return 'null';
  const { promptTokens, completionTokens, totalTokens, cachedTokens, cacheWriteTokens, reasoningTokens } =
    usage;
  const { inner: input, outer: others } = splitMembers(ownMembers(usage.extras), 'input_tokens_details');
  const { inner: output, outer } = splitMembers(others, 'output_tokens_details');
  return (
    `{"input_tokens":${promptTokens},"input_tokens_details":{"cached_tokens":${cachedTokens ?? 0},` +
    `"cache_write_tokens":${cacheWriteTokens ?? 0}${rest(input)}},"output_tokens":${completionTokens},` +
    `"output_tokens_details":{"reasoning_tokens":${reasoningTokens ?? 0}${rest(output)}},` +
    `"total_tokens":${totalTokens}${rest(outer)}}`
  );
}
