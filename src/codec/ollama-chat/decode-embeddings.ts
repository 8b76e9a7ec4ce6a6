import type {
  CreateEmbeddingsResponse,
  Embedding,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { addMember, isObject } from '../json.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { isError, upstreamError } from './decode-error.ts';
import { toExtras } from './extras.ts';
import { decodeUsage, isMeasure } from './usage.ts';

/**
 * The answer of POST /api/embed.
 * @param inputs how many texts were sent
 * @throws GatewayError when it is an error, or has not one vector of numbers for every text
 */
export function decodeEmbeddingsResponse(
  json: unknown,
  inputs: number,
  { provider }: Upstream,
): CreateEmbeddingsResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  if (isError(json)) throw upstreamError(provider, json, 200);
  const { embeddings: vectors, model } = json;
  if (!Array.isArray(vectors) || vectors.length !== inputs) {
    throw notUnderstood(provider, `it has not one embedding for each of ${inputs} inputs`);
  }
  const response: CreateEmbeddingsResponse = {
    $typeName: 'llmgateway.v1.CreateEmbeddingsResponse',
    model: typeof model === 'string' ? model : '',
    embeddings: vectors.map((values, index) => decodeVector(values, index, provider)),
  };
  const used = decodeUsage(json);
  if (used !== undefined) response.usage = used;
  let unknown = '';
  for (const key in json) {
    const known = key === 'model' || key === 'embeddings' || isMeasure(key);
    if (!known && json[key] !== null) unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') response.extras = toExtras(unknown);
  return response;
}

function decodeVector(values: unknown, index: number, provider: string): Embedding {
  if (!Array.isArray(values) || values.length === 0 || !values.every((value) => typeof value === 'number')) {
    throw notUnderstood(provider, `embedding ${index} is not a list of numbers`);
  }
  return { $typeName: 'llmgateway.v1.Embedding', index, values };
}
