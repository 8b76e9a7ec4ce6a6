import type {
  CreateEmbeddingsResponse,
  Embedding,
} from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { membersOf, quote, rest } from '../json.ts';
import { dialectName, type EmbeddingEncoding } from './dialect.ts';
import { shortFloat } from './short-float.ts';

/** Vectors as the body that OpenAI's clients expect. */
export function encodeEmbeddingsResponse(
  response: CreateEmbeddingsResponse,
  encoding: EmbeddingEncoding,
): string {
  const { model, embeddings, usage, extras } = response;
  const write = encoding === 'base64' ? writeBase64 : writeNumbers;
  let json = '{"object":"list","data":[';
  for (let i = 0; i < embeddings.length; i++) {
    const { index, values, extras: own } = embeddings[i] as Embedding;
    if (i > 0) json += ',';
    json += `{"object":"embedding","index":${index},"embedding":${write(values)}${rest(membersOf(dialectName, own))}}`;
  }
  json += `],"model":${quote(model)}`;
  if (usage !== undefined) {
    const members = rest(membersOf(dialectName, usage.extras));
    json += `,"usage":{"prompt_tokens":${usage.promptTokens},"total_tokens":${usage.totalTokens}${members}}`;
  }
  return `${json}${rest(membersOf(dialectName, extras))}}`;
}

/** All platforms that the gateway runs on are little-endian, as the wire is. */
const writeBase64 = (values: readonly number[]): string =>
  `"${new Uint8Array(new Float32Array(values).buffer).toBase64()}"`;

function writeNumbers(values: readonly number[]): string {
  const short = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) short[i] = shortFloat(values[i] as number);
  return JSON.stringify(short);
}
