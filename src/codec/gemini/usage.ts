import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { toExtras } from './extras.ts';

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

const countOr0 = (value: unknown): number => (isCount(value) ? value : 0);

/** Counts that become fields of their own, and sums of them. */
const counted: ReadonlySet<string> = new Set([
  'promptTokenCount',
  'candidatesTokenCount',
  'totalTokenCount',
  'thoughtsTokenCount',
  'cachedContentTokenCount',
]);

/**
 * Tokens used, in OpenAI's meaning: thoughts are a part of the completion, the results of tools that Gemini ran a part of the
 * prompt. The prompt includes what was cached by itself.
 * @returns undefined when nothing is counted, as in the first chunks of Vertex AI
 */
export function decodeUsage(json: Json): Usage | undefined {
  const { promptTokenCount: prompt, candidatesTokenCount: candidates, thoughtsTokenCount: thoughts } = json;
  if (!isCount(prompt) && !isCount(candidates) && !isCount(thoughts)) return undefined;
  const used = build.usage(
    countOr0(prompt) + countOr0(json['toolUsePromptTokenCount']),
    countOr0(candidates) + countOr0(thoughts),
  );
  if (isCount(thoughts)) used.reasoningTokens = thoughts;
  if (isCount(json['cachedContentTokenCount'])) used.cachedTokens = json['cachedContentTokenCount'];
  readPrompt(used, modalities(json['promptTokensDetails']));
  readCompletion(used, modalities(json['candidatesTokensDetails']));
  let unknown = '';
  for (const key in json) {
    if (!counted.has(key) && json[key] !== null) unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') used.extras = toExtras(unknown);
  return used;
}

function readPrompt(used: Usage, counts: ReadonlyMap<string, number>): void {
  const [text, audio, image] = [counts.get('TEXT'), counts.get('AUDIO'), counts.get('IMAGE')];
  if (text !== undefined) used.promptTextTokens = text;
  if (audio !== undefined) used.promptAudioTokens = audio;
  if (image !== undefined) used.promptImageTokens = image;
}

function readCompletion(used: Usage, counts: ReadonlyMap<string, number>): void {
  const [text, audio] = [counts.get('TEXT'), counts.get('AUDIO')];
  if (text !== undefined) used.completionTextTokens = text;
  if (audio !== undefined) used.completionAudioTokens = audio;
}

function modalities(list: unknown): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  if (!Array.isArray(list)) return counts;
  for (const entry of list) {
    if (!isObject(entry) || typeof entry['modality'] !== 'string' || !isCount(entry['tokenCount'])) continue;
    counts.set(entry['modality'], entry['tokenCount']);
  }
  return counts;
}

/** The tier that an answer was made in, in OpenAI's words; '' where it is not told. */
export function tierOf(usage: unknown): string {
  const tier = isObject(usage) ? usage['serviceTier'] : undefined;
  if (typeof tier !== 'string') return '';
  return tier === 'standard' ? 'default' : tier;
}
