import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import type {
  CreateEmbeddingsResponse,
  Embedding,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import * as build from '../../model/build.ts';
import { embedding, embeddingsResponse } from '../../model/build-embeddings.ts';
import { addMember, isObject, type Json, membersAsExtras } from '../json.ts';
import { openAIErrorIn, openAIUpstreamError } from '../openai-error.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { dialectName } from './dialect.ts';

const answerKeys = ['data'];

/**
 * Vectors as a provider sent them, in its order, whatever encoding was asked for: some answer numbers when asked for base64. JSON
 * numbers stay as they are; base64 gives the 32-bit floats exactly.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeEmbeddingsResponse(json: unknown, { provider }: Upstream): CreateEmbeddingsResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const error = openAIErrorIn(json, answerKeys);
  if (error !== undefined) throw openAIUpstreamError(provider, error, 200);
  const { data } = json;
  if (!Array.isArray(data)) throw notUnderstood(provider, 'it has no vectors');
  const embeddings: Embedding[] = [];
  for (let i = 0; i < data.length; i++) embeddings.push(decodeEmbedding(data[i], i, provider));
  const response = embeddingsResponse(typeof json['model'] === 'string' ? json['model'] : '', embeddings);
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    switch (key) {
      case 'object':
      case 'data':
      case 'model':
      case 'error':
        break;
      case 'usage': {
        const used = isObject(value) ? decodeUsage(value) : undefined;
        if (used !== undefined) response.usage = used;
        break;
      }
      default:
        if (value !== null) unknown = addMember(unknown, key, value);
    }
  }
  if (unknown !== '') response.extras = membersAsExtras(dialectName, unknown);
  return response;
}

function decodeEmbedding(json: unknown, position: number, provider: string): Embedding {
  if (!isObject(json)) throw notUnderstood(provider, 'a vector is not an object');
  const index = json['index'] ?? position;
  if (!isCount(index)) throw notUnderstood(provider, 'a vector has no proper index');
  const made = embedding(index, decodeValues(json['embedding'], provider));
  let unknown = '';
  for (const key in json) {
    if (key === 'object' || key === 'index' || key === 'embedding' || json[key] === null) continue;
    unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') made.extras = membersAsExtras(dialectName, unknown);
  return made;
}

function decodeValues(value: unknown, provider: string): number[] {
  if (typeof value === 'string') return decodeBase64(value, provider);
  if (!Array.isArray(value)) throw notUnderstood(provider, 'a vector is neither a list nor base64');
  for (let i = 0; i < value.length; i++) {
    // A NaN is null in JSON.
    if (typeof value[i] !== 'number') throw notUnderstood(provider, 'a vector holds what is not a number');
  }
  return value as number[];
}

/** All platforms that the gateway runs on are little-endian, as the wire is. */
function decodeBase64(text: string, provider: string): number[] {
  let floats: Float32Array;
  try {
    floats = new Float32Array(Uint8Array.fromBase64(text).buffer);
  } catch {
    throw notUnderstood(provider, 'a vector is not base64 of 32-bit floats');
  }
  const values: number[] = [];
  for (let i = 0; i < floats.length; i++) values.push(floats[i] as number);
  return values;
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

/** @returns undefined when nothing is counted */
function decodeUsage(json: Json): Usage | undefined {
  const { prompt_tokens: prompt, total_tokens: total } = json;
  if (!isCount(prompt) && !isCount(total)) return undefined;
  const used = build.usage(isCount(prompt) ? prompt : (total as number), 0);
  if (isCount(total) && total > used.totalTokens) used.totalTokens = total;
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (key === 'prompt_tokens' || key === 'total_tokens' || value === null) continue;
    unknown = addMember(unknown, key, value);
  }
  if (unknown !== '') used.extras = membersAsExtras(dialectName, unknown);
  return used;
}
