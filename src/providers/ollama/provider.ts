import { decodeEmbeddingsResponse } from '../../codec/ollama-chat/decode-embeddings.ts';
import { decodeChatError } from '../../codec/ollama-chat/decode-error.ts';
import { decodeChatResponse } from '../../codec/ollama-chat/decode-response.ts';
import { ChatStreamDecoder } from '../../codec/ollama-chat/decode-stream.ts';
import { encodeEmbeddingsRequest } from '../../codec/ollama-chat/encode-embeddings.ts';
import { encodeChatRequest } from '../../codec/ollama-chat/encode-request.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { HttpApi } from '../http-api.ts';
import { httpChat } from '../http-chat.ts';
import type { KeyPool } from '../key-pool.ts';
import { NdjsonFraming } from '../ndjson-framing.ts';
import type { Provider } from '../provider.ts';
import { ModelBook } from './model-book.ts';

export interface OllamaOptions {
  readonly name: string;
  /** Address to which `/api/chat` is added, without a slash at its end. */
  readonly baseUrl: string;
  /** Sent with every request: the key of a hosted one, and what else is configured. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where there are several: each request has one of them in the place of the headers'. */
  readonly keys?: KeyPool | undefined;
  readonly missing: string | null;
  /** Request parameters that it cannot take, whatever the model. */
  readonly unsupported: readonly string[];
  /** Whether it is asked for its models, which also tells what each of them can do. */
  readonly discovery: boolean;
}

/** Ollama by its own API, here or hosted. */
export function ollamaProvider(options: OllamaOptions, client: UpstreamClient): Provider {
  const { name, baseUrl, headers, missing, discovery } = options;
  const api = new HttpApi(
    { name, baseUrl, headers, keys: options.keys, decodeError: decodeChatError },
    client,
  );
  const book = new ModelBook(api);
  const provider: Provider = {
    name,
    missing,
    unsupported: unsupportedBy(options.unsupported, book),
    ...httpChat<string>(api, {
      streamType: 'application/x-ndjson',
      encode: ({ request, upstreamModel: model }, stream) => ({
        path: '/api/chat',
        ...encodeChatRequest(request, { model, stream, think: book.think(model) }),
      }),
      decode: (json) => decodeChatResponse(json, { provider: name }),
      framing: () => new NdjsonFraming(),
      decoder: () => new ChatStreamDecoder({ provider: name }),
    }),
    async createEmbeddings(call) {
      const { request, upstreamModel, signal, timeouts, trace } = call;
      const { body, warnings } = encodeEmbeddingsRequest(request, upstreamModel);
      if (warnings.length > 0) call.warn(warnings);
      const asked = { path: '/api/embed', body, signal, timeouts, model: upstreamModel, trace };
      const answer = await api.json(asked);
      return decodeEmbeddingsResponse(answer, request.inputs.length, { provider: name });
    },
  };
  if (discovery) provider.listModels = (signal) => book.list(signal);
  return provider;
}

/** What a model is known not to do comes on top of what Ollama cannot do. */
function unsupportedBy(always: readonly string[], book: ModelBook): Provider['unsupported'] {
  const sets = [[], ['tools'], ['reasoning_effort'], ['tools', 'reasoning_effort']].map(
    (more) => new Set([...always, ...more]),
  );
  return (model) => {
    const facts = book.facts(model);
    const which = (facts?.tools === false ? 1 : 0) + (facts?.think?.length === 0 ? 2 : 0);
    return sets[which] as ReadonlySet<string>;
  };
}
