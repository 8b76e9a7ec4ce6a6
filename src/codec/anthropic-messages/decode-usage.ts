import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import { addMember, addNested, isObject, type Json } from '../json.ts';
import { toExtras } from './extras.ts';

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

const countOr0 = (value: unknown): number => (isCount(value) ? value : 0);

/**
 * Tokens used, in OpenAI's meaning: the prompt includes what was read from and written to the cache, which Anthropic counts beside
 * it. Thinking is part of the output with both.
 * @returns undefined when nothing is counted
 */
export function decodeUsage(json: Json): Usage | undefined {
  const { input_tokens: input, output_tokens: output } = json;
  if (!isCount(input) && !isCount(output)) return undefined;
  const read = json['cache_read_input_tokens'];
  const written = json['cache_creation_input_tokens'];
  const used = build.usage(countOr0(input) + countOr0(read) + countOr0(written), countOr0(output));
  if (isCount(read)) used.cachedTokens = read;
  if (isCount(written)) used.cacheWriteTokens = written;
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    switch (key) {
      case 'input_tokens':
      case 'output_tokens':
      case 'cache_read_input_tokens':
      case 'cache_creation_input_tokens':
        break;
      case 'output_tokens_details':
        if (isObject(value)) unknown = addNested(unknown, key, readDetails(used, value));
        break;
      default:
        if (value !== null) unknown = addMember(unknown, key, value);
    }
  }
  if (unknown !== '') used.extras = toExtras(unknown);
  return used;
}

/** @returns the members that the model has no field for */
function readDetails(used: Usage, details: Json): string {
  let unknown = '';
  for (const key in details) {
    const value = details[key];
    if (key === 'thinking_tokens' && isCount(value)) used.reasoningTokens = value;
    else if (value !== null) unknown = addMember(unknown, key, value);
  }
  return unknown;
}

/** Counts of a stream so far: the later ones are of the whole answer, too, so that they replace the earlier ones. */
export function mergeUsage(earlier: Json, later: Json): Json {
  const merged: Json = { ...earlier };
  for (const key in later) if (later[key] !== null) merged[key] = later[key];
  return merged;
}
