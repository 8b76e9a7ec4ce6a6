import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';

/** Where the tokens of an answer went. No token is in two of `uncached`, `cacheRead` and `cacheWrite`, which together are the prompt. */
export interface TokenSplit {
  /** Input that was neither read from nor written to the provider's prompt cache. */
  readonly uncached: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** Part of `cacheWrite`: kept for an hour. */
  readonly cacheWrite1h: number;
  /** Part of `uncached`: sound, and pictures. */
  readonly audioInput: number;
  readonly imageInput: number;
  /** Part of `cacheRead`: sound. */
  readonly cachedAudio: number;
  /** Output, reasoning and sound included. */
  readonly output: number;
  /** Parts of `output`. */
  readonly reasoning: number;
  readonly audioOutput: number;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const countOf = (value: unknown): number =>
  Number.isInteger(value) && (value as number) > 0 ? (value as number) : 0;

/** Members that say something of money and that the typed usage has no field for. */
const telling = /"(?:cost|cost_in_usd_ticks|cache_creation|cacheDetails|cacheTokensDetails)"/;

/** What of a usage's unknown members concerns its cost; an empty object for most, without looking at them closely. */
export function costMembers({ extras }: Usage): Json {
  if (extras === undefined || !telling.test(extras.json)) return nothing;
  const members: unknown = JSON.parse(extras.json);
  return isObject(members) ? members : nothing;
}

const nothing: Json = {};

/**
 * The split of a usage. Parts never exceed their whole, whatever a provider says.
 * @param members of `costMembers`
 */
export function splitTokens(usage: Usage, members: Json): TokenSplit {
  const { promptTokens, completionTokens } = usage;
  const cacheRead = Math.min(usage.cachedTokens ?? 0, promptTokens);
  const cacheWrite = Math.min(usage.cacheWriteTokens ?? 0, promptTokens - cacheRead);
  const uncached = promptTokens - cacheRead - cacheWrite;
  const audio = usage.promptAudioTokens ?? 0;
  const cachedAudio = Math.min(ofModality(members['cacheTokensDetails'], 'AUDIO'), audio, cacheRead);
  const audioInput = Math.min(audio - cachedAudio, uncached);
  return {
    uncached,
    cacheRead,
    cacheWrite,
    cacheWrite1h: Math.min(hourWrites(members), cacheWrite),
    audioInput,
    imageInput: Math.min(usage.promptImageTokens ?? 0, uncached - audioInput),
    cachedAudio,
    output: completionTokens,
    reasoning: Math.min(usage.reasoningTokens ?? 0, completionTokens),
    audioOutput: Math.min(usage.completionAudioTokens ?? 0, completionTokens),
  };
}

/** Anthropic says it in `cache_creation`, Bedrock's Converse in `cacheDetails`. */
function hourWrites(members: Json): number {
  const creation = members['cache_creation'];
  if (isObject(creation)) return countOf(creation['ephemeral_1h_input_tokens']);
  const details = members['cacheDetails'];
  if (!Array.isArray(details)) return 0;
  let sum = 0;
  for (const one of details) if (isObject(one) && one['ttl'] === '1h') sum += countOf(one['inputTokens']);
  return sum;
}

/** Of Gemini's counts by modality. */
function ofModality(list: unknown, modality: string): number {
  if (!Array.isArray(list)) return 0;
  const found: unknown = list.find((one) => isObject(one) && one['modality'] === modality);
  return isObject(found) ? countOf(found['tokenCount']) : 0;
}
