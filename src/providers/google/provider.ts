import { decodeCountTokens, encodeCountTokens } from '../../codec/gemini/count-tokens.ts';
import { decodeGeminiError } from '../../codec/gemini/decode-error.ts';
import { decodeGeminiResponse } from '../../codec/gemini/decode-response.ts';
import { GeminiStreamDecoder } from '../../codec/gemini/decode-stream.ts';
import { type GeminiDialect, geminiDialect, vertexDialect } from '../../codec/gemini/dialect.ts';
import { decodeEmbeddings, encodeEmbeddings } from '../../codec/gemini/embeddings.ts';
import { encodeGeminiRequest } from '../../codec/gemini/encode-request.ts';
import { familyOf } from '../../codec/gemini/model-family.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { SseFraming } from '../framed-event-stream.ts';
import { backgroundTimeouts, HttpApi } from '../http-api.ts';
import { httpChat } from '../http-chat.ts';
import type { KeyPool } from '../key-pool.ts';
import type { DiscoveredModel, Provider, ProviderCall } from '../provider.ts';
import { decodeModelPage } from './model-list.ts';
import { modelResource } from './model-path.ts';

/** Where a provider of Gemini's form is. */
export interface GoogleOptions {
  readonly name: string;
  /** Address to which `/models/…` is added, without a slash at its end. */
  readonly baseUrl: string;
  /** Sent with every request: the key and what else the provider wants. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where there are several: each request has one of them in the place of the headers'. */
  readonly keys?: KeyPool | undefined;
  readonly missing: string | null;
  /** Request parameters that it cannot take, by their REST names. */
  readonly unsupported: readonly string[];
  /** Whether the provider is asked for its models. */
  readonly discovery: boolean;
}

/** A page of a model list is small; a larger one is not a model list. */
const maxPageBytes = 16 * 1024 * 1024;
const maxPages = 10;

/** What an address says of whose it is. */
interface Host {
  readonly dialect: GeminiDialect;
  /** Where plain names of models are. */
  readonly collection: string;
  readonly vertex: boolean;
}

function hostOf(baseUrl: string): Host {
  const { hostname, pathname } = new URL(baseUrl);
  if (!/(?:^|[.-])aiplatform\.googleapis\.com$/.test(hostname)) {
    const dialect = { ...geminiDialect, filesUrl: baseUrl };
    return { dialect, collection: 'models', vertex: false };
  }
  const inPublisher = /\/publishers\/[^/]+\/?$/.test(pathname);
  return {
    dialect: vertexDialect,
    collection: inPublisher ? 'models' : 'publishers/google/models',
    vertex: true,
  };
}

/** A provider that speaks Gemini's own form: the Gemini API or, by its address, Vertex AI. */
export function googleProvider(options: GoogleOptions, client: UpstreamClient): Provider {
  const { name, baseUrl, headers, missing } = options;
  const api = new HttpApi(
    { name, baseUrl, headers, keys: options.keys, decodeError: decodeGeminiError },
    client,
  );
  const { dialect, collection, vertex } = hostOf(baseUrl);
  const unsupported: ReadonlySet<string> = new Set(options.unsupported);
  const thoughtless: ReadonlySet<string> = new Set([...options.unsupported, 'reasoning_effort']);
  const resourceOf = ({ upstreamModel }: { readonly upstreamModel: string }) =>
    modelResource(upstreamModel, collection);
  const encode = ({ request, upstreamModel: model }: ProviderCall) =>
    encodeGeminiRequest(request, { model, dialect });

  const provider: Provider = {
    name,
    missing,
    unsupported: (model) => (familyOf(model).thinking === 'none' ? thoughtless : unsupported),
    ...httpChat<string>(api, {
      streamType: 'text/event-stream',
      encode: (call, stream) => ({
        path: `/${resourceOf(call)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
        ...encode(call),
      }),
      decode: (json) => decodeGeminiResponse(json, { provider: name }),
      framing: () => new SseFraming(),
      decoder: () => new GeminiStreamDecoder({ provider: name }),
    }),
    async countTokens(call) {
      const resource = resourceOf(call);
      const body = encodeCountTokens(encode(call).body, vertex ? null : decodeURIComponent(resource));
      const { signal, timeouts, upstreamModel: model } = call;
      return decodeCountTokens(
        await api.json({ path: `/${resource}:countTokens`, body, signal, timeouts, model }),
        name,
      );
    },
  };
  // Vertex AI embeds by another method, of another form.
  if (vertex) return provider;
  provider.createEmbeddings = async (call) => {
    const resource = resourceOf(call);
    const { request, upstreamModel, signal, timeouts, trace } = call;
    const { bodies, warnings } = encodeEmbeddings(request, decodeURIComponent(resource));
    if (warnings.length > 0) call.warn(warnings);
    const path = `/${resource}:batchEmbedContents`;
    const answers: unknown[] = [];
    for (const body of bodies)
      answers.push(await api.json({ path, body, signal, timeouts, model: upstreamModel, trace }));
    return decodeEmbeddings(answers, upstreamModel, request.inputs.length, { provider: name });
  };
  if (options.discovery) {
    provider.listModels = async (signal) => {
      const models: DiscoveredModel[] = [];
      let token = '';
      for (let page = 0; page < maxPages; page++) {
        const query = token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`;
        const request = {
          path: `/models?pageSize=1000${query}`,
          body: null,
          signal,
          timeouts: backgroundTimeouts,
        };
        const { models: more, next } = decodeModelPage(await api.json(request, maxPageBytes));
        models.push(...more);
        if (next === '') break;
        token = next;
      }
      return models;
    };
  }
  return provider;
}
