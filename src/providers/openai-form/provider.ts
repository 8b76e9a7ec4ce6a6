import { type AnsweredRequest, askedAudioFormat } from '../../codec/openai-chat/answer-audio.ts';
import { decodeChatError } from '../../codec/openai-chat/decode-error.ts';
import { decodeChatResponse, unknownOfChoice } from '../../codec/openai-chat/decode-response.ts';
import { ChatStreamDecoder } from '../../codec/openai-chat/decode-stream.ts';
import type { OpenAIChatDialect } from '../../codec/openai-chat/dialect.ts';
import { encodeChatRequest } from '../../codec/openai-chat/encode-request.ts';
import type { EmbeddingEncoding } from '../../codec/openai-embeddings/dialect.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { SseFraming } from '../framed-event-stream.ts';
import { backgroundTimeouts, HttpApi } from '../http-api.ts';
import { httpChat } from '../http-chat.ts';
import type { KeyPool } from '../key-pool.ts';
import type { Provider, ProviderCall } from '../provider.ts';
import { createEmbeddings } from './embeddings.ts';
import { decodeModelList } from './model-list.ts';
import { responsesWay } from './responses.ts';

/** Where a provider of the OpenAI form is and how it differs from OpenAI. */
export interface OpenAIFormOptions {
  readonly name: string;
  /** Address to which `/chat/completions` is added, without a slash at its end. */
  readonly baseUrl: string;
  /** Sent with every request: authorization and what else the provider wants. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where there are several: each request has one of them in the place of the headers'. */
  readonly keys?: KeyPool | undefined;
  readonly dialect: OpenAIChatDialect;
  readonly missing: string | null;
  readonly unsupported: (upstreamModel: string) => ReadonlySet<string>;
  /** How vectors are asked for; `none` when it has no embeddings. */
  readonly embeddings: EmbeddingEncoding | 'none';
  /** Whether it has the Responses API. */
  readonly responses: boolean;
  /** Whether it compacts conversations: that API's `/responses/compact`. */
  readonly compaction: boolean;
  /** Whether the provider is asked for its models. */
  readonly discovery: boolean;
}

/** A model list is small; a larger one is not a model list. */
const maxModelListBytes = 16 * 1024 * 1024;

/** A provider that speaks OpenAI's chat completions, and its embeddings where it has some. */
export function openAIFormProvider(options: OpenAIFormOptions, client: UpstreamClient): Provider {
  const { name, baseUrl, headers, dialect, missing, unsupported } = options;
  const api = new HttpApi(
    { name, baseUrl, headers, keys: options.keys, decodeError: decodeChatError },
    client,
  );
  const answered = ({ request }: ProviderCall): AnsweredRequest => ({
    provider: name,
    audioFormat: askedAudioFormat(request),
  });
  const provider: Provider = {
    name,
    missing,
    unsupported,
    ...httpChat<string>(api, {
      streamType: 'text/event-stream',
      encode: ({ request, upstreamModel: model }, stream) => ({
        path: '/chat/completions',
        ...encodeChatRequest(request, { model, stream, dialect }),
      }),
      decode: (json, call) => decodeChatResponse(json, answered(call)),
      unknownOf: unknownOfChoice,
      framing: () => new SseFraming(),
      decoder: (call) => new ChatStreamDecoder(answered(call)),
    }),
    ...(options.responses ? { responses: responsesWay(api, options.compaction) } : {}),
  };
  if (options.embeddings !== 'none') {
    provider.createEmbeddings = createEmbeddings(api, options.embeddings);
  }
  if (options.discovery) {
    provider.listModels = async (signal) => {
      const request = { path: '/models', body: null, signal, timeouts: backgroundTimeouts };
      return decodeModelList(await api.json(request, maxModelListBytes), name);
    };
  }
  return provider;
}
