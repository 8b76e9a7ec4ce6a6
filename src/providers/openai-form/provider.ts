import type { CreateChatCompletionResponse } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeChatError } from '../../codec/openai-chat/decode-error.ts';
import { decodeChatResponse } from '../../codec/openai-chat/decode-response.ts';
import { ChatStreamDecoder } from '../../codec/openai-chat/decode-stream.ts';
import type { OpenAIChatDialect } from '../../codec/openai-chat/dialect.ts';
import { encodeChatRequest } from '../../codec/openai-chat/encode-request.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { UpstreamClient, UpstreamResponse } from '../../http/client.ts';
import { completionEvents } from '../../model/completion-events.ts';
import { type EventStream, primed } from '../../model/events.ts';
import type { DiscoveredModel, Provider, ProviderCall } from '../provider.ts';
import { upstreamFault } from '../upstream-fault.ts';
import { decodeModelList } from './model-list.ts';
import { SseEventStream } from './sse-event-stream.ts';

/** Where a provider of the OpenAI form is and how it differs from OpenAI. */
export interface OpenAIFormOptions {
  readonly name: string;
  /** Address to which `/chat/completions` is added, without a slash at its end. */
  readonly baseUrl: string;
  /** Sent with every request: authorization and what else the provider wants. */
  readonly headers: Readonly<Record<string, string>>;
  readonly dialect: OpenAIChatDialect;
  readonly missing: string | null;
  readonly unsupported: (upstreamModel: string) => ReadonlySet<string>;
  /** Whether the provider is asked for its models. */
  readonly discovery: boolean;
}

/** A model list is small; a larger one is not a model list. */
const maxModelListBytes = 16 * 1024 * 1024;
const maxErrorBytes = 256 * 1024;
const listTimeouts = { connectMs: 5_000, firstByteMs: 10_000, idleMs: 10_000 };

/** A provider that speaks OpenAI's chat completions. */
export function openAIFormProvider(options: OpenAIFormOptions, client: UpstreamClient): Provider {
  const { name, dialect } = options;
  const { origin, pathname } = new URL(options.baseUrl);
  const root = pathname.replace(/\/+$/, '');
  const headers = { 'content-type': 'application/json', accept: 'application/json', ...options.headers };
  const streamHeaders = { ...headers, accept: 'text/event-stream' };

  async function post(call: ProviderCall, stream: boolean): Promise<UpstreamResponse> {
    const { body, warnings } = encodeChatRequest(call.request, {
      model: call.upstreamModel,
      stream,
      dialect,
    });
    if (warnings.length > 0) call.warn(warnings);
    const response = await client.send({
      origin,
      path: `${root}/chat/completions`,
      method: 'POST',
      headers: stream ? streamHeaders : headers,
      body,
      signal: call.signal,
      timeouts: call.timeouts,
    });
    if (response.status !== 200) throw await failure(response);
    return response;
  }

  async function failure(response: UpstreamResponse): Promise<GatewayError> {
    const body = await response.body.text(maxErrorBytes);
    return decodeChatError({ status: response.status, headers: response.headers, body, provider: name });
  }

  async function completion(response: UpstreamResponse): Promise<CreateChatCompletionResponse> {
    const json = parseBody(name, await response.body.text());
    return decodeChatResponse(json, { provider: name });
  }

  const provider: Provider = {
    name,
    missing: options.missing,
    unsupported: options.unsupported,
    async createChat(call) {
      try {
        return await completion(await post(call, false));
      } catch (error) {
        throw upstreamFault(name, error);
      }
    },
    async streamChat(call): Promise<EventStream> {
      try {
        const response = await post(call, true);
        // Some answer a stream request with the whole completion, or with an error, as plain JSON.
        if (response.headers['content-type']?.startsWith('application/json')) {
          return completionEvents(await completion(response));
        }
        const decoder = new ChatStreamDecoder({ provider: name });
        return await primed(new SseEventStream(response.body, decoder, name));
      } catch (error) {
        throw upstreamFault(name, error);
      }
    },
  };
  if (options.discovery) {
    provider.listModels = async (signal: AbortSignal): Promise<DiscoveredModel[]> => {
      try {
        const request = { origin, path: `${root}/models`, method: 'GET', headers, body: null, signal };
        const response = await client.send({ ...request, timeouts: listTimeouts });
        if (response.status !== 200) throw await failure(response);
        return decodeModelList(parseBody(name, await response.body.text(maxModelListBytes)));
      } catch (error) {
        throw upstreamFault(name, error);
      }
    };
  }
  return provider;
}

function parseBody(provider: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError(
      ErrorReason.UPSTREAM_INVALID,
      `provider ${provider} sent an answer that is not valid JSON`,
      { provider, cause },
    );
  }
}
