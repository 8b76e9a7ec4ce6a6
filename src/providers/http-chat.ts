import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Choice, Warning } from '../../gen/llmgateway/v1/completion_pb.js';
import type { UpstreamResponse } from '../http/client.ts';
import { completionEvents } from '../model/completion-events.ts';
import { type EventStream, primed, type StreamEvent } from '../model/events.ts';
import { type FrameDecoder, FramedEventStream, type Framing } from './framed-event-stream.ts';
import type { HttpApi } from './http-api.ts';
import type { Provider, ProviderCall } from './provider.ts';
import { upstreamFault } from './upstream-fault.ts';

/** A chat request in a provider's own form. */
export interface EncodedCall {
  /** What comes after the provider's address, starting with `/`. */
  readonly path: string;
  /** JSON text. */
  readonly body: string;
  /** More headers for this call; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What the form could not carry. */
  readonly warnings: readonly Warning[];
}

/** How chat goes over HTTP in a dialect. `F` is what its streams are made of: texts of JSON, or binary messages. */
export interface HttpChatForm<F> {
  /** Media type of a stream, as asked for. */
  readonly streamType: string;
  encode(call: ProviderCall, stream: boolean): EncodedCall;
  decode(json: unknown, call: ProviderCall): CreateChatCompletionResponse;
  /** See completionEvents. */
  unknownOf?(choice: Choice): StreamEvent | undefined;
  framing(): Framing<F>;
  decoder(call: ProviderCall): FrameDecoder<F>;
}

/** What a provider that chats over HTTP has. */
export type HttpChat = Required<Pick<Provider, 'createChat' | 'streamChat'>>;

/** Chat with a provider over HTTP, in the form of its dialect. */
export function httpChat<F>(api: HttpApi, form: HttpChatForm<F>): HttpChat {
  const { name } = api;

  function post(call: ProviderCall, stream: boolean): Promise<UpstreamResponse> {
    const { path, body, headers, warnings } = form.encode(call, stream);
    if (warnings.length > 0) call.warn(warnings);
    const { signal, timeouts, keys, trace, upstreamModel: model } = call;
    const accept = stream ? form.streamType : 'application/json';
    const more = headers === undefined ? {} : { headers };
    return api.send({ path, body, accept, ...more, signal, timeouts, model, keys, trace });
  }

  async function completion(
    response: UpstreamResponse,
    call: ProviderCall,
  ): Promise<CreateChatCompletionResponse> {
    const json = await api.readJson(response);
    try {
      return form.decode(json, call);
    } catch (error) {
      throw upstreamFault(name, error);
    }
  }

  return {
    createChat: async (call) => completion(await post(call, false), call),
    async streamChat(call): Promise<EventStream> {
      const response = await post(call, true);
      // Some answer a stream request with the whole completion, or with an error, as plain JSON.
      if (isPlainJson(response) && form.streamType !== 'application/json') {
        return completionEvents(await completion(response, call), form.unknownOf);
      }
      try {
        return await primed(new FramedEventStream(response.body, form.framing(), form.decoder(call), name));
      } catch (error) {
        throw upstreamFault(name, error);
      }
    },
  };
}

const isPlainJson = ({ headers }: UpstreamResponse): boolean =>
  /^application\/(?:[\w.-]+\+)?json\b/i.test(headers['content-type'] ?? '');
