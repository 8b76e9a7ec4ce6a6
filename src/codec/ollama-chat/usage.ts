import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import { addMember, type Json } from '../json.ts';
import { toExtras } from './extras.ts';

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

/** Members that count or measure; the durations are in nanoseconds. */
const measures: ReadonlySet<string> = new Set([
  'total_duration',
  'load_duration',
  'prompt_eval_count',
  'prompt_eval_cached_count',
  'prompt_eval_duration',
  'eval_count',
  'eval_duration',
]);

/** Whether a member of an answer belongs to its usage. */
export const isMeasure = (key: string): boolean => measures.has(key);

/**
 * Tokens used; the durations are its extras. A count that is 0 is left out by Ollama, and older versions count only the part of
 * the prompt that was not cached.
 * @returns undefined when nothing is measured
 */
export function decodeUsage(json: Json): Usage | undefined {
  const { prompt_eval_count: prompt, eval_count: completion, prompt_eval_cached_count: cached } = json;
  let unknown = '';
  for (const key of measures) {
    const value = json[key];
    const read = key.endsWith('_count') && isCount(value);
    if (value !== undefined && value !== null && !read) unknown = addMember(unknown, key, value);
  }
  if (!isCount(prompt) && !isCount(completion) && unknown === '') return undefined;
  const used = build.usage(isCount(prompt) ? prompt : 0, isCount(completion) ? completion : 0);
  if (isCount(cached)) used.cachedTokens = cached;
  if (unknown !== '') used.extras = toExtras(unknown);
  return used;
}
