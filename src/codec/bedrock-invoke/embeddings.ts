import type { CreateEmbeddingsRequest } from '../../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, invalidRequest } from '../../errors/gateway-error.ts';
import type { EncodeWarnings } from '../encode-warnings.ts';
import { isObject, number, quote, rest } from '../json.ts';
import { notUnderstood } from '../upstream-error.ts';

/** How a family of embedding models is asked by InvokeModel. */
export interface EmbeddingForm {
  /** Texts that one request takes at most. */
  readonly batch: number;
  /** Body for some of the texts. @throws GatewayError UNSUPPORTED_PARAMETER for what the family cannot do */
  encode(texts: readonly string[], request: CreateEmbeddingsRequest, warnings: EncodeWarnings): string;
  /** The vectors of a reply, as many as there were texts, and the tokens that it says were used. */
  decode(json: unknown, count: number, provider: string): DecodedEmbeddings;
}

export interface DecodedEmbeddings {
  readonly vectors: readonly (readonly number[])[];
  /** Undefined when it does not say. */
  readonly tokens: number | undefined;
}

/** The form of a model. @throws GatewayError MODEL_NOT_SUPPORTED when it has none that is known */
export function embeddingForm(model: string, provider: string): EmbeddingForm {
  const id = model.toLowerCase();
  if (/titan-embed-(?:text-v1|g1)/.test(id)) return titanV1;
  if (id.includes('titan-embed-text')) return titan;
  if (/cohere\.embed-(?:english|multilingual)/.test(id)) return cohereV3;
  if (id.includes('cohere.embed')) return cohere;
  throw new GatewayError(
    ErrorReason.MODEL_NOT_SUPPORTED,
    `model ${quote(model.slice(0, 200))} of provider ${provider} has no embeddings that the gateway knows how to ask for`,
    { field: 'model', provider },
  );
}

/** Texts of a request. @throws GatewayError INVALID_REQUEST for token ids, which are of another's tokenizer */
export function textsOf(request: CreateEmbeddingsRequest): string[] {
  return request.inputs.map(({ content }, i) => {
    if (content.case === 'text') return content.value;
    throw invalidRequest(`input[${i}]`, `Invalid 'input[${i}]': the provider takes texts, not token ids`);
  });
}

/** Source: "Amazon Titan Embeddings Text" in the Bedrock user guide. */
const titan: EmbeddingForm = {
  batch: 1,
  encode([text = ''], request, warnings) {
    if (request.taskType !== '') {
      warnings.hint('dropped_task_type', 'task_type', 'the model does not take what the vectors are for');
    }
    const { dimensions } = request;
    const size = dimensions === undefined ? '' : `,"dimensions":${number(dimensions)}`;
    return `{"inputText":${quote(text)}${size}${rest(warnings.members(request.extras, 'extras'))}}`;
  },
  decode(json, _count, provider) {
    if (!isObject(json) || !isVector(json['embedding'])) throw notUnderstood(provider, 'it has no embedding');
    const tokens = json['inputTextTokenCount'];
    return { vectors: [json['embedding']], tokens: typeof tokens === 'number' ? tokens : undefined };
  },
};

const titanV1: EmbeddingForm = {
  ...titan,
  encode(texts, request, warnings) {
    refuseDimensions(request, warnings);
    const { dimensions: _, ...others } = request;
    return titan.encode(texts, others, warnings);
  },
};

/** Source: "Cohere Embed v4" and "Cohere Embed v3" in the Bedrock user guide. */
const cohere: EmbeddingForm = {
  batch: 96,
  encode(texts, request, warnings) {
    const { dimensions, taskType } = request;
    // It has to be said; most texts that are embedded are there to be found.
    const type = taskType === '' ? 'search_document' : taskType.toLowerCase();
    const size = dimensions === undefined ? '' : `,"output_dimension":${number(dimensions)}`;
    const more = rest(warnings.members(request.extras, 'extras'));
    return `{"texts":${JSON.stringify(texts)},"input_type":${quote(type)}${size}${more}}`;
  },
  decode(json, count, provider) {
    const given = isObject(json) ? json['embeddings'] : undefined;
    const vectors = isObject(given) ? given['float'] : given;
    if (!Array.isArray(vectors) || vectors.length !== count || !vectors.every(isVector)) {
      throw notUnderstood(provider, 'it does not have an embedding for every text');
    }
    return { vectors, tokens: undefined };
  },
};

const cohereV3: EmbeddingForm = {
  ...cohere,
  encode(texts, request, warnings) {
    refuseDimensions(request, warnings);
    const { dimensions: _, ...others } = request;
    return cohere.encode(texts, others, warnings);
  },
};

function refuseDimensions({ dimensions }: CreateEmbeddingsRequest, warnings: EncodeWarnings): void {
  if (dimensions === undefined) return;
  warnings.refuse('dimensions', 'dimensions', "the length of the model's vectors cannot be chosen");
}

const isVector = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
