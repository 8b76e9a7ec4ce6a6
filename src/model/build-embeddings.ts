// Messages of EmbeddingsService as plain literals; see build.ts.
import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
  Embedding,
  EmbeddingInput,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { type Init, name } from './build-form.ts';

export const embeddingsRequest = (
  model: string,
  inputs: EmbeddingInput[],
  rest?: Init<CreateEmbeddingsRequest>,
): CreateEmbeddingsRequest => ({
  $typeName: name('CreateEmbeddingsRequest'),
  model,
  inputs,
  taskType: '',
  user: '',
  ...rest,
});

export const textInput = (text: string): EmbeddingInput => ({
  $typeName: name('EmbeddingInput'),
  content: { case: 'text', value: text },
});

export const tokensInput = (ids: number[]): EmbeddingInput => ({
  $typeName: name('EmbeddingInput'),
  content: { case: 'tokens', value: { $typeName: name('TokenIds'), ids } },
});

export const embedding = (index: number, values: number[], rest?: Init<Embedding>): Embedding => ({
  $typeName: name('Embedding'),
  index,
  values,
  ...rest,
});

export const embeddingsResponse = (
  model: string,
  embeddings: Embedding[],
  rest?: Init<CreateEmbeddingsResponse>,
): CreateEmbeddingsResponse => ({
  $typeName: name('CreateEmbeddingsResponse'),
  model,
  embeddings,
  ...rest,
});
