import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import { addMember, addNested, isObject, type Json, rest, splitMembers } from '../json.ts';
import { ownMembers, toExtras } from './extras.ts';

type Count = Exclude<
  { [K in keyof Usage]: Usage[K] extends number | undefined ? K : never }[keyof Usage],
  undefined
>;

const promptDetails: ReadonlyMap<string, Count> = new Map([
  ['cached_tokens', 'cachedTokens'],
  ['cache_write_tokens', 'cacheWriteTokens'],
  ['audio_tokens', 'promptAudioTokens'],
  ['image_tokens', 'promptImageTokens'],
  ['text_tokens', 'promptTextTokens'],
] as const);
const completionDetails: ReadonlyMap<string, Count> = new Map([
  ['reasoning_tokens', 'reasoningTokens'],
  ['audio_tokens', 'completionAudioTokens'],
  ['text_tokens', 'completionTextTokens'],
  ['accepted_prediction_tokens', 'acceptedPredictionTokens'],
  ['rejected_prediction_tokens', 'rejectedPredictionTokens'],
] as const);

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

const countOr0 = (value: unknown): number => (isCount(value) ? value : 0);

/**
 * Tokens used, in OpenAI's meaning. xAI counts reasoning beside the completion, which shows in the total; it becomes a part of
 * the completion. DeepSeek's cache hits are cached tokens.
 * @returns undefined when nothing is counted
 */
export function decodeUsage(json: Json): Usage | undefined {
  if (!isCount(json['prompt_tokens']) && !isCount(json['completion_tokens'])) return undefined;
  const prompt = countOr0(json['prompt_tokens']);
  const completion = countOr0(json['completion_tokens']);
  const used = build.usage(prompt, completion);
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    switch (key) {
      case 'prompt_tokens':
      case 'completion_tokens':
        break;
      case 'total_tokens':
        if (isCount(value) && value > used.totalTokens) used.totalTokens = value;
        break;
      case 'prompt_tokens_details':
        unknown = addNested(unknown, key, readDetails(used, value, promptDetails));
        break;
      case 'completion_tokens_details':
        unknown = addNested(unknown, key, readDetails(used, value, completionDetails));
        break;
      default:
        if (value !== null) unknown = addMember(unknown, key, value);
    }
  }
  const hits = json['prompt_cache_hit_tokens'];
  if (used.cachedTokens === undefined && isCount(hits)) used.cachedTokens = hits;
  const { reasoningTokens = 0 } = used;
  if (reasoningTokens > 0 && used.totalTokens === prompt + completion + reasoningTokens) {
    used.completionTokens = completion + reasoningTokens;
  }
  if (unknown !== '') used.extras = toExtras(unknown);
  return used;
}

/** @returns the members that the model has no field for */
function readDetails(used: Usage, details: unknown, fields: ReadonlyMap<string, Count>): string {
  let unknown = '';
  if (!isObject(details)) return unknown;
  for (const key in details) {
    const value = details[key];
    const field = fields.get(key);
    if (field !== undefined && isCount(value)) used[field] = value;
    else if (value !== null) unknown = addMember(unknown, key, value);
  }
  return unknown;
}

/** The `usage` object as JSON text. */
export function encodeUsage(used: Usage): string {
  const prompt = splitMembers(ownMembers(used.extras), 'prompt_tokens_details');
  const completion = splitMembers(prompt.outer, 'completion_tokens_details');
  return (
    `{"prompt_tokens":${used.promptTokens},"completion_tokens":${used.completionTokens},"total_tokens":${used.totalTokens}` +
    `${writeDetails('prompt_tokens_details', used, promptDetails, prompt.inner)}` +
    `${writeDetails('completion_tokens_details', used, completionDetails, completion.inner)}${rest(completion.outer)}}`
  );
}

function writeDetails(key: string, used: Usage, fields: ReadonlyMap<string, Count>, inner: string): string {
  let members = '';
  for (const [name, field] of fields) {
    const value = used[field];
    if (value !== undefined) members += `${members === '' ? '' : ','}"${name}":${value}`;
  }
  if (members !== '' && inner !== '') members += ',';
  members += inner;
  return members === '' ? '' : `,"${key}":{${members}}`;
}
