import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
  Embedding,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { notUnderstood } from '../codec/upstream-error.ts';

/**
 * Puts a provider's vectors into the order of the inputs and makes sure that there is one for each, of the wanted length. Their numbers become
 * 32-bit floats here, so that every face tells the same of them, whatever the provider wrote.
 * @throws GatewayError UPSTREAM_INVALID
 */
export function checkEmbeddings(
  response: CreateEmbeddingsResponse,
  { inputs, dimensions }: CreateEmbeddingsRequest,
  provider: string,
): void {
  const { embeddings } = response;
  const wrong = (what: string) => notUnderstood(provider, what);
  if (embeddings.length !== inputs.length) {
    throw wrong(`it has ${embeddings.length} vectors for ${inputs.length} inputs`);
  }
  embeddings.sort((a, b) => a.index - b.index);
  for (let i = 0; i < embeddings.length; i++) {
    const { index, values } = embeddings[i] as Embedding;
    if (index !== i) throw wrong(`it has no vector for input ${i}`);
    if (values.length === 0) throw wrong('a vector is empty');
    if (dimensions !== undefined && values.length !== dimensions) {
      throw wrong(`a vector has ${values.length} numbers, and not ${dimensions} as asked`);
    }
    if (!toFloats(values)) throw wrong('a vector holds a number that is not finite');
  }
}

/** @returns false when there is a number that no such float can be */
function toFloats(values: number[]): boolean {
  for (let i = 0; i < values.length; i++) {
    // A zero has no sign: JSON would lose it on some of the faces.
    const float = Math.fround(values[i] as number) + 0;
    if (!Number.isFinite(float)) return false;
    values[i] = float;
  }
  return true;
}
