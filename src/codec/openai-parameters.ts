import type { GenerationParameters } from '../../gen/llmgateway/v1/generation_pb.js';
import {
  invalid,
  putEntry,
  readBoolean,
  readInteger,
  readName,
  readNumber,
  readObject,
  readObjectText,
  readOptionalString,
  readString,
  readStrings,
} from './fields.ts';

const maxUint32 = 0xffff_ffff;
const maxSeed = 2 ** 53;

/**
 * Takes one member of a request's body into its parameters; null is unset. Bounds are those of generation.proto.
 * @returns false when it is none of the parameters
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeParameter(into: GenerationParameters, key: string, value: unknown): boolean {
  return decodeSampling(into, key, value) || decodeSetting(into, key, value);
}

function decodeSampling(into: GenerationParameters, key: string, value: unknown): boolean {
  switch (key) {
    case 'temperature':
      if (value !== null) into.temperature = readNumber(value, key, 0, 2);
      return true;
    case 'top_p':
      if (value !== null) into.topP = readNumber(value, key, 0, 1);
      return true;
    case 'top_k':
      if (value !== null) into.topK = readInteger(value, key, 0, maxUint32);
      return true;
    case 'max_tokens':
    case 'max_completion_tokens':
      if (value !== null) setLimit(into, key, readInteger(value, key, 1, maxUint32));
      return true;
    case 'n':
      if (value !== null) into.n = readInteger(value, key, 1, 128);
      return true;
    case 'stop':
      if (value !== null) into.stop = readStop(value, key);
      return true;
    case 'presence_penalty':
      if (value !== null) into.presencePenalty = readNumber(value, key, -2, 2);
      return true;
    case 'frequency_penalty':
      if (value !== null) into.frequencyPenalty = readNumber(value, key, -2, 2);
      return true;
    case 'logit_bias':
      if (value !== null) into.logitBias = readBias(value, key);
      return true;
    case 'seed':
      if (value !== null) into.seed = readInteger(value, key, -maxSeed, maxSeed);
      return true;
    case 'logprobs':
      if (value !== null) into.logprobs = readBoolean(value, key);
      return true;
    case 'top_logprobs':
      if (value !== null) into.topLogprobs = readInteger(value, key, 0, 20);
      return true;
    default:
      return false;
  }
}

function decodeSetting(into: GenerationParameters, key: string, value: unknown): boolean {
  switch (key) {
    case 'reasoning_effort':
      into.reasoningEffort = readOptionalString(value, key, 32);
      return true;
    case 'parallel_tool_calls':
      if (value !== null) into.parallelToolCalls = readBoolean(value, key);
      return true;
    case 'modalities':
      if (value !== null) into.modalities = readStrings(value, key, 8, 64);
      return true;
    case 'audio':
      if (value !== null) into.audioJson = readObjectText(value, key);
      return true;
    case 'prediction':
      if (value !== null) into.predictionJson = readObjectText(value, key);
      return true;
    case 'verbosity':
      into.verbosity = readOptionalString(value, key, 32);
      return true;
    case 'service_tier':
      into.serviceTier = readOptionalString(value, key, 64);
      return true;
    case 'web_search_options':
      if (value !== null) into.webSearchOptionsJson = readObjectText(value, key);
      return true;
    case 'store':
      if (value !== null) into.store = readBoolean(value, key);
      return true;
    case 'metadata':
      if (value !== null) into.metadata = readMetadata(value, key);
      return true;
    case 'prompt_cache_key':
      into.promptCacheKey = readOptionalString(value, key);
      return true;
    case 'prompt_cache_retention':
      into.promptCacheRetention = readOptionalString(value, key);
      return true;
    case 'prompt_cache_options':
      if (value !== null) into.promptCacheOptionsJson = readObjectText(value, key);
      return true;
    case 'safety_identifier':
      into.safetyIdentifier = readOptionalString(value, key);
      return true;
    case 'user':
      into.user = readOptionalString(value, key);
      return true;
    case 'moderation':
      if (value !== null) into.moderationJson = readObjectText(value, key);
      return true;
    default:
      return false;
  }
}

/** The two names of one limit. */
function setLimit(into: GenerationParameters, key: string, limit: number): void {
  const other = into.maxOutputTokens;
  if (other !== undefined && other !== limit) {
    throw invalid(key, 'the same value for max_tokens and max_completion_tokens', limit, 'different ones');
  }
  into.maxOutputTokens = limit;
  into.legacyMaxTokens = other === undefined && key === 'max_tokens';
}

const readStop = (value: unknown, field: string): string[] =>
  typeof value === 'string'
    ? [readName(value, field, Number.POSITIVE_INFINITY)]
    : readStrings(value, field, 64, Number.POSITIVE_INFINITY);

function readBias(value: unknown, field: string): Record<string, number> {
  const json = readObject(value, field);
  const bias: Record<string, number> = {};
  let pairs = 0;
  for (const key in json) {
    if (++pairs > 2048) throw invalid(field, 'at most 2048 pairs', value, 'more');
    putEntry(bias, key, readNumber(json[key], `${field}.${key}`, -100, 100));
  }
  return bias;
}

/** A client's labels. @throws GatewayError INVALID_REQUEST */
export function readMetadata(value: unknown, field: string): Record<string, string> {
  const json = readObject(value, field);
  const metadata: Record<string, string> = {};
  let pairs = 0;
  for (const key in json) {
    if (++pairs > 16) throw invalid(field, 'at most 16 pairs', value, 'more');
    if (key.length > 64) throw invalid(field, 'keys of at most 64 characters', value, 'a longer one');
    putEntry(metadata, key, readString(json[key], `${field}.${key}`, 512));
  }
  return metadata;
}
