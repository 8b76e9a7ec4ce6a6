import type { Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import { decodeMessagesResponse } from '../../codec/anthropic-messages/decode-response.ts';
import { MessagesStreamDecoder } from '../../codec/anthropic-messages/decode-stream.ts';
import { encodeMessagesRequest } from '../../codec/anthropic-messages/encode-request.ts';
import { converseFailure, errorType } from '../../codec/bedrock-converse/decode-error.ts';
import { isObject, type Json } from '../../codec/json.ts';
import { notUnderstood } from '../../codec/upstream-error.ts';
import { type AwsEventStreamMessage, AwsEventStreamReader } from '../../http/aws-event-stream-reader.ts';
import type { StreamEvent } from '../../model/events.ts';
import type { FrameDecoder } from '../framed-event-stream.ts';
import type { HttpApi } from '../http-api.ts';
import { type HttpChat, httpChat } from '../http-chat.ts';
import { modelPath } from './paths.ts';

/**
 * Claude in Anthropic's own form, by InvokeModel: what Converse has no place for (citations, new kinds of blocks, betas) gets through.
 * Source: "Anthropic Claude Messages API" in the Bedrock user guide.
 */
export function claudeByInvoke(api: HttpApi): HttpChat {
  const { name } = api;
  return httpChat<AwsEventStreamMessage>(api, {
    streamType: 'application/vnd.amazon.eventstream',
    encode({ request, upstreamModel: model }, stream) {
      const { body, warnings } = encodeMessagesRequest(request, { model, stream, host: 'bedrock' });
      return { path: modelPath(model, stream ? 'invoke-with-response-stream' : 'invoke'), body, warnings };
    },
    decode: (json) => decodeMessagesResponse(json, { provider: name }),
    framing: () => new AwsEventStreamReader(),
    decoder: () => new InvokeStreamDecoder(name),
  });
}

/** Takes Anthropic's events out of Bedrock's: each is in a `chunk`, as base64. */
class InvokeStreamDecoder implements FrameDecoder<AwsEventStreamMessage> {
  readonly #provider: string;
  readonly #messages: MessagesStreamDecoder;

  constructor(provider: string) {
    this.#provider = provider;
    this.#messages = new MessagesStreamDecoder({ provider });
  }

  push({ headers, payload }: AwsEventStreamMessage, out: StreamEvent[]): void {
    const kind = headers.get(':message-type');
    if (kind === 'error') {
      this.#fail(headers.get(':error-code'), { message: headers.get(':error-message') });
    }
    const json = this.#parse(payload);
    if (kind === 'exception') this.#fail(headers.get(':exception-type'), json);
    const type = headers.get(':event-type') ?? '';
    if (type.endsWith('Exception')) this.#fail(type, json);
    const { bytes } = json;
    if (type !== 'chunk' || typeof bytes !== 'string') return;
    this.#messages.push(Buffer.from(bytes, 'base64').toString(), out);
  }

  end(out: StreamEvent[]): void {
    this.#messages.end(out);
  }

  usageSoFar(): Usage | undefined {
    return this.#messages.usageSoFar();
  }

  #fail(type: string | undefined, json: Json): never {
    throw converseFailure(this.#provider, { type: errorType(type), json, status: 0 });
  }

  #parse(payload: Buffer): Json {
    try {
      const json: unknown = JSON.parse(payload.toString());
      if (isObject(json)) return json;
    } catch {
      // Told below.
    }
    throw notUnderstood(this.#provider, 'an event is not a JSON object');
  }
}
