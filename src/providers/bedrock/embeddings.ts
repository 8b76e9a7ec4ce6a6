import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { LightSignal } from '../../base/light-signal.ts';
import { dialectName } from '../../codec/bedrock-invoke/dialect.ts';
import { embeddingForm, textsOf } from '../../codec/bedrock-invoke/embeddings.ts';
import { EncodeWarnings } from '../../codec/encode-warnings.ts';
import * as build from '../../model/build.ts';
import type { HttpApi } from '../http-api.ts';
import type { ProviderCall } from '../provider.ts';
import { modelPath } from './paths.ts';

/** Requests of one call that are under way at once; Titan takes a text each. */
const maxParallel = 8;

/** Vectors by InvokeModel. The requests of a call succeed or are stopped together. */
export function bedrockEmbeddings(
  api: HttpApi,
): (call: ProviderCall<CreateEmbeddingsRequest>) => Promise<CreateEmbeddingsResponse> {
  return async ({ request, upstreamModel, signal, timeouts, trace, warn }) => {
    const form = embeddingForm(upstreamModel, api.name);
    const texts = textsOf(request);
    const warnings = new EncodeWarnings(dialectName, request.dropParams);
    const path = modelPath(upstreamModel, 'invoke');
    const bodies: { readonly body: string; readonly count: number }[] = [];
    for (let at = 0; at < texts.length; at += form.batch) {
      const some = texts.slice(at, at + form.batch);
      bodies.push({ body: form.encode(some, request, warnings), count: some.length });
    }
    if (warnings.warnings.length > 0) warn(warnings.warnings);

    const results = await inParallel(bodies, maxParallel, signal, async ({ body, count }, both) => {
      const response = await api.send({ path, body, signal: both, timeouts, model: upstreamModel, trace });
      const counted = Number(response.headers['x-amzn-bedrock-input-token-count'] ?? Number.NaN);
      const { vectors, tokens } = form.decode(await api.readJson(response), count, api.name);
      return { vectors, tokens: tokens ?? (Number.isInteger(counted) ? counted : undefined) };
    });
    const vectors = results.flatMap((result) => result.vectors);
    const known = results.every(({ tokens }) => tokens !== undefined);
    const used = results.reduce((sum, { tokens = 0 }) => sum + tokens, 0);
    return {
      $typeName: 'llmgateway.v1.CreateEmbeddingsResponse',
      model: upstreamModel,
      embeddings: vectors.map((values, index) => ({
        $typeName: 'llmgateway.v1.Embedding',
        index,
        values: values as number[],
      })),
      ...(known ? { usage: build.usage(used, 0) } : {}),
    };
  };
}

/**
 * Does something with every item, some at once, and gives the results in order. The first failure stops the others.
 * @param signal aborts all
 */
async function inParallel<T, R>(
  items: readonly T[],
  most: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const both = new LightSignal();
  const unfollow = both.follow(signal);
  const results: R[] = new Array(items.length);
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T, both);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(most, items.length) }, run));
  } catch (error) {
    both.abort(error);
    throw error;
  } finally {
    unfollow();
  }
  return results;
}
