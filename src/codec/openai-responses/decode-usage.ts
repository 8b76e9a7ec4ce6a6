import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import { addMember, addNested, isObject } from '../json.ts';
import { toExtras } from './extras.ts';

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

/** Tokens used; undefined when nothing is counted. */
export function decodeUsage(json: unknown): Usage | undefined {
  if (!isObject(json)) return undefined;
  const { input_tokens: input, output_tokens: output, total_tokens: total } = json;
  if (!isCount(input) && !isCount(output)) return undefined;
  const used = build.usage(isCount(input) ? input : 0, isCount(output) ? output : 0);
  if (isCount(total) && total > used.totalTokens) used.totalTokens = total;
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (key === 'input_tokens' || key === 'output_tokens' || key === 'total_tokens' || value === null)
      continue;
    if (key === 'input_tokens_details' || key === 'output_tokens_details') {
      unknown = addNested(unknown, key, readDetails(used, value));
    } else unknown = addMember(unknown, key, value);
  }
  if (unknown !== '') used.extras = toExtras(unknown);
  return used;
}

/** @returns the members that the model has no field for */
function readDetails(used: Usage, details: unknown): string {
  let unknown = '';
  if (!isObject(details)) return unknown;
  for (const key in details) {
    const value = details[key];
    if (key === 'cached_tokens' && isCount(value)) used.cachedTokens = value;
    else if (key === 'cache_write_tokens' && isCount(value)) used.cacheWriteTokens = value;
    else if (key === 'reasoning_tokens' && isCount(value)) used.reasoningTokens = value;
    else if (value !== null) unknown = addMember(unknown, key, value);
  }
  return unknown;
}
