import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject } from '../json.ts';
import { toExtras } from './extras.ts';

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

const countOr0 = (value: unknown): number => (isCount(value) ? value : 0);

/**
 * Tokens used, in OpenAI's meaning: Converse counts what was read from and written to the prompt cache beside `inputTokens`, here it is part of
 * the prompt.
 * @returns undefined when nothing is counted
 */
export function decodeUsage(json: unknown): Usage | undefined {
  if (!isObject(json)) return undefined;
  if (!isCount(json['inputTokens']) && !isCount(json['outputTokens'])) return undefined;
  const read = json['cacheReadInputTokens'];
  const written = json['cacheWriteInputTokens'];
  const prompt = countOr0(json['inputTokens']) + countOr0(read) + countOr0(written);
  const used = build.usage(prompt, countOr0(json['outputTokens']));
  if (isCount(read)) used.cachedTokens = read;
  if (isCount(written)) used.cacheWriteTokens = written;
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (!known.has(key) && value !== null) unknown = addMember(unknown, key, value);
  }
  if (unknown !== '') used.extras = toExtras(unknown);
  return used;
}

const known: ReadonlySet<string> = new Set([
  'inputTokens',
  'outputTokens',
  'totalTokens',
  'cacheReadInputTokens',
  'cacheWriteInputTokens',
]);
