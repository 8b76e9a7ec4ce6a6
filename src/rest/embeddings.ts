import { isObject } from '../codec/json.ts';
import { decodeEmbeddingsRequest } from '../codec/openai-embeddings/decode-request.ts';
import { encodeEmbeddingsResponse } from '../codec/openai-embeddings/encode-response.ts';
import { cacheControl } from '../rpc/cache-control.ts';
import type { EmbeddingsApi } from '../rpc/embeddings-api.ts';
import {
  booleanHeader,
  clientOf,
  type Exchange,
  header,
  type RestHandler,
  readJson,
  sendJson,
} from './exchange.ts';
import { reportHeaders } from './report.ts';

/** What the embeddings routes are set to. */
export interface EmbeddingsRouteOptions {
  /** Largest request body in bytes. */
  readonly maxBodyBytes: number;
}

/** Serves a request whose body has been read. */
export type BodyHandler = (exchange: Exchange, body: unknown) => Promise<void>;

/** Vectors in OpenAI's form. */
export const openaiEmbeddings =
  (api: EmbeddingsApi): BodyHandler =>
  async (exchange, body) => {
    const { request, encoding } = decodeEmbeddingsRequest(body);
    const dropParams = booleanHeader(exchange, 'X-Drop-Params');
    if (dropParams !== undefined) request.dropParams = dropParams;
    const { forceRefresh, noStore } = cacheControl(header(exchange, 'cache-control'));
    if (forceRefresh) request.forceRefresh = true;
    if (noStore) request.noStore = true;
    const context = { requestId: exchange.requestId, face: 'openai.embeddings', ...clientOf(exchange) };
    const response = await api.createEmbeddings(request, context);
    sendJson(exchange, 200, encodeEmbeddingsResponse(response, encoding), reportHeaders(response.callReport));
  };

/** POST /v1/embeddings. */
export const embeddings =
  (openai: BodyHandler, options: () => EmbeddingsRouteOptions): RestHandler =>
  async (exchange) =>
    openai(exchange, await readJson(exchange, options().maxBodyBytes));

/**
 * POST /embeddings: two APIs have this path, and the body says which is meant. One with `text` and no `input` is not OpenAI's.
 * @param other serves that one; null when nothing does
 */
export const eitherEmbeddings =
  (openai: BodyHandler, other: BodyHandler | null, options: () => EmbeddingsRouteOptions): RestHandler =>
  async (exchange) => {
    const body = await readJson(exchange, options().maxBodyBytes);
    const isOther = isObject(body) && body['text'] !== undefined && body['input'] === undefined;
    return isOther && other !== null ? other(exchange, body) : openai(exchange, body);
  };
