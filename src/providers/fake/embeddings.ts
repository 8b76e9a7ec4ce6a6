import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
  EmbeddingInput,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import * as build from '../../model/build.ts';
import { embedding, embeddingsResponse } from '../../model/build-embeddings.ts';

/** Length of the vectors when none is asked for, and the longest that may be. */
const usualDimensions = 256;
export const maxFakeDimensions = 8_192;

/**
 * Vectors of length 1 that are always the same for the same input, and the closer to each other the more words two texts share:
 * enough to try a search with. Every word counts as a token.
 */
export function embeddingsOf(request: CreateEmbeddingsRequest, model: string): CreateEmbeddingsResponse {
  const dimensions = request.dimensions ?? usualDimensions;
  let tokens = 0;
  const embeddings = request.inputs.map((input, index) => {
    const words = wordsOf(input);
    tokens += words.length;
    return embedding(index, vectorOf(words, dimensions));
  });
  return embeddingsResponse(model, embeddings, { usage: build.usage(tokens, 0) });
}

function wordsOf({ content }: EmbeddingInput): string[] {
  if (content.case === 'tokens') return content.value.ids.map(String);
  const text = content.value ?? '';
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text];
}

/** Places of the vector that each word changes. */
const placesOfWord = 8;

function vectorOf(words: readonly string[], dimensions: number): number[] {
  const vector = new Array<number>(dimensions).fill(0);
  for (const word of words) {
    let state = seedOf(word);
    for (let i = 0; i < placesOfWord; i++) {
      state = next(state);
      const at = (state >>> 1) % dimensions;
      vector[at] = (vector[at] as number) + ((state & 1) === 1 ? 1 : -1);
    }
  }
  const length = Math.hypot(...vector);
  // All places of the words may have cancelled each other out.
  if (length === 0) vector[0] = 1;
  return vector.map((value) => Math.fround(value / (length === 0 ? 1 : length)));
}

/** FNV-1a of the word, of 32 bits. */
function seedOf(word: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** xorshift; never 0 from anything but 0, which becomes 1. */
function next(state: number): number {
  let x = state === 0 ? 1 : state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x >>> 0;
}
