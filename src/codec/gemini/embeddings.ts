import type { Usage, Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
  Embedding,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { isObject, number, quote, rest } from '../json.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { dialectName } from './dialect.ts';
import { decodeUsage } from './usage.ts';

/** Texts in one batchEmbedContents, at most. Source: the API's own error. */
export const maxBatch = 100;

export interface EncodedEmbeddings {
  /** Bodies of batchEmbedContents, in order: JSON text. */
  readonly bodies: readonly string[];
  /** What the form could not carry. */
  readonly warnings: Warning[];
}

/**
 * Writes the bodies of models.batchEmbedContents.
 * @param resource name of the model as a resource: `models/…`
 * @throws GatewayError INVALID_REQUEST for an input of tokens
 */
export function encodeEmbeddings(request: CreateEmbeddingsRequest, resource: string): EncodedEmbeddings {
  const { inputs, dimensions, taskType, user, extras } = request;
  const context = new EncodeWarnings(dialectName, request.dropParams);
  if (user !== '') context.hint('dropped_user', 'user', 'Gemini takes no id of the end user');
  let settings = '';
  if (taskType !== '') settings += `,"taskType":${quote(taskType)}`;
  if (dimensions !== undefined) settings += `,"outputDimensionality":${number(dimensions)}`;
  settings += rest(context.members(extras, 'extras'));
  const items = inputs.map(({ content }, i) => {
    if (content.case === 'text') {
      return `{"model":${quote(resource)},"content":{"parts":[{"text":${quote(content.value)}}]}${settings}}`;
    }
    throw invalidRequest(`inputs[${i}]`, `Invalid 'inputs[${i}]': Gemini embeds texts, not tokens.`);
  });
  const bodies: string[] = [];
  for (let i = 0; i < items.length; i += maxBatch) {
    bodies.push(`{"requests":[${items.slice(i, i + maxBatch).join(',')}]}`);
  }
  return { bodies, warnings: context.warnings };
}

/**
 * The answers to the bodies of one request, as one.
 * @param model its name at the provider, which the answers do not tell
 * @param count how many vectors there have to be
 * @throws GatewayError when one is an error or a vector is missing
 */
export function decodeEmbeddings(
  answers: readonly unknown[],
  model: string,
  count: number,
  { provider }: Upstream,
): CreateEmbeddingsResponse {
  const embeddings: Embedding[] = [];
  let used: Usage | undefined;
  for (const json of answers) {
    const error = errorIn(json);
    if (error !== undefined) throw upstreamError(provider, error, 200);
    const list = isObject(json) ? json['embeddings'] : undefined;
    if (!isObject(json) || !Array.isArray(list)) throw notUnderstood(provider, 'it has no embeddings');
    for (const item of list) {
      const values = isObject(item) ? item['values'] : undefined;
      if (!Array.isArray(values) || !values.every((value) => typeof value === 'number')) {
        throw notUnderstood(provider, 'an embedding has no values');
      }
      embeddings.push({ $typeName: 'llmgateway.v1.Embedding', index: embeddings.length, values });
    }
    const more = isObject(json['usageMetadata']) ? decodeUsage(json['usageMetadata']) : undefined;
    if (more !== undefined) used = build.usage((used?.promptTokens ?? 0) + more.promptTokens, 0);
  }
  if (embeddings.length !== count) {
    throw notUnderstood(provider, `it has ${embeddings.length} embeddings for ${count} inputs`);
  }
  const response: CreateEmbeddingsResponse = {
    $typeName: 'llmgateway.v1.CreateEmbeddingsResponse',
    model,
    embeddings,
  };
  if (used !== undefined) response.usage = used;
  return response;
}
