import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { EmbeddingsService } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Failure } from './faces.ts';
import { type RpcFace, rpcTransports } from './gateway.ts';

/** What a client saw of an embeddings call. */
export interface EmbeddingsOutcome {
  /** By the order of the answer. */
  readonly vectors: number[][];
  readonly indices: number[];
  readonly model: string;
  readonly promptTokens: number;
  readonly provider: string;
  readonly dropped: string;
  readonly failure: Failure | null;
}

export interface EmbeddingsOptions {
  readonly texts?: string[];
  readonly dimensions?: number;
  readonly user?: string;
  /** On REST; default: numbers. */
  readonly encoding?: 'base64';
  /** On REST: Ollama's own. */
  readonly options?: unknown;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export const embeddingsClient = (face: RpcFace, url: string) =>
  createClient(EmbeddingsService, rpcTransports[face](url));

const nothing: EmbeddingsOutcome = {
  vectors: [],
  indices: [],
  model: '',
  promptTokens: 0,
  provider: '',
  dropped: '',
  failure: null,
};

/** Faces that have embeddings. */
export type EmbeddingsFace = 'REST' | RpcFace;
export const embeddingsFaces: readonly EmbeddingsFace[] = [
  'REST',
  ...(Object.keys(rpcTransports) as RpcFace[]),
];

/** Makes one embeddings call on any face. Never rejects. */
export async function embed(
  face: EmbeddingsFace,
  url: string,
  model: string,
  options: EmbeddingsOptions = {},
): Promise<EmbeddingsOutcome> {
  if (face !== 'REST') return embedByRpc(face, url, model, options);
  try {
    return await embedByRest(url, model, options);
  } catch (error) {
    return { ...nothing, failure: { status: 'client', reason: 'client', message: String(error), field: '' } };
  }
}

async function embedByRest(
  url: string,
  model: string,
  { texts = ['Hello'], signal, timeoutMs, encoding, ...rest }: EmbeddingsOptions,
): Promise<EmbeddingsOutcome> {
  const response = await fetch(`${url}/v1/embeddings`, {
    method: 'POST',
    headers: timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(timeoutMs) },
    body: JSON.stringify({ model, input: texts, encoding_format: encoding, ...rest }),
    signal: signal ?? null,
  });
  const json = JSON.parse(await response.text());
  if (response.status !== 200) {
    const { code, type, message, param } = json.error;
    return {
      ...nothing,
      failure: { status: response.status, reason: code ?? type, message, field: param ?? '' },
    };
  }
  const data: { index: number; embedding: number[] | string }[] = json.data;
  return {
    vectors: data.map(({ embedding }) => {
      if (encoding !== 'base64' && typeof embedding !== 'string') return embedding;
      return [...new Float32Array(Uint8Array.fromBase64(embedding as string).buffer)];
    }),
    indices: data.map(({ index }) => index),
    model: json.model,
    promptTokens: json.usage?.prompt_tokens ?? 0,
    provider: response.headers.get('x-provider-used') ?? '',
    dropped: response.headers.get('x-dropped-params') ?? '',
    failure: null,
  };
}

async function embedByRpc(
  face: RpcFace,
  url: string,
  model: string,
  { texts = ['Hello'], signal, timeoutMs, dimensions, user = '' }: EmbeddingsOptions,
): Promise<EmbeddingsOutcome> {
  const request = { model, user, ...(dimensions === undefined ? {} : { dimensions }) };
  const inputs = texts.map((value) => ({ content: { case: 'text' as const, value } }));
  const callOptions = {
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  try {
    const reply = await embeddingsClient(face, url).createEmbeddings({ ...request, inputs }, callOptions);
    return {
      vectors: reply.embeddings.map(({ values }) => values),
      indices: reply.embeddings.map(({ index }) => index),
      model: reply.model,
      promptTokens: reply.usage?.promptTokens ?? 0,
      provider: reply.callReport?.provider ?? '',
      dropped: reply.callReport?.droppedParams.join(', ') ?? '',
      failure: null,
    };
  } catch (cause) {
    const error = ConnectError.from(cause);
    const [detail] = error.findDetails(ErrorDetailSchema);
    const reason = detail === undefined ? '' : ErrorReason[detail.reason].toLowerCase();
    return {
      ...nothing,
      failure: {
        status: Code[error.code],
        reason,
        message: error.rawMessage,
        field: detail?.field ?? '',
      },
    };
  }
}
