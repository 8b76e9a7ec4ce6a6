import { decodeMessagesError } from '../../codec/anthropic-messages/decode-error.ts';
import { decodeMessagesResponse } from '../../codec/anthropic-messages/decode-response.ts';
import { MessagesStreamDecoder } from '../../codec/anthropic-messages/decode-stream.ts';
import {
  type EncodedMessagesRequest,
  encodeMessagesRequest,
} from '../../codec/anthropic-messages/encode-request.ts';
import { claudeModel, unsupportedByClaude } from '../../codec/claude-model.ts';
import { notUnderstood } from '../../codec/upstream-error.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { SseFraming } from '../framed-event-stream.ts';
import { HttpApi } from '../http-api.ts';
import { httpChat } from '../http-chat.ts';
import type { KeyPool } from '../key-pool.ts';
import type { Provider } from '../provider.ts';
import { routesOf } from './routes.ts';

/** Where a provider of Anthropic's form is. */
export interface AnthropicOptions {
  readonly name: string;
  /** Address to which `/v1/messages` is added; for Vertex it ends in `/publishers/anthropic/models`. */
  readonly baseUrl: string;
  /** Sent with every request, names in lower case: the key and what else the provider wants. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where there are several: each request has one of them in the place of the headers'. */
  readonly keys?: KeyPool | undefined;
  readonly missing: string | null;
  /** Request parameters that no model of it takes. */
  readonly unsupported: readonly string[];
}

/** Version of the form, which has been the only one since 2023. */
const apiVersion = '2023-06-01';

/** A count is a few bytes. */
const maxCountBytes = 64 * 1024;

/** A provider that speaks Anthropic's Messages API. */
export function anthropicProvider(options: AnthropicOptions, client: UpstreamClient): Provider {
  const { name, missing } = options;
  const { 'anthropic-beta': ownBetas, ...own } = options.headers;
  const { baseUrl, host, messagesPath, countPath } = routesOf(options.baseUrl);
  const headers = { 'anthropic-version': apiVersion, ...own };
  const api = new HttpApi(
    { name, baseUrl, headers, keys: options.keys, decodeError: decodeMessagesError },
    client,
  );

  /** Betas are those of the configuration and those of the client. */
  const betaHeader = ({ betas }: EncodedMessagesRequest): Record<string, string> => {
    const all = new Set([...(ownBetas === undefined ? [] : [ownBetas]), ...betas]);
    return all.size === 0 ? {} : { 'anthropic-beta': [...all].join(',') };
  };

  return {
    name,
    missing,
    unsupported: unsupportedBy(options.unsupported),
    keepsThreads: true,
    ...httpChat<string>(api, {
      streamType: 'text/event-stream',
      encode({ request, upstreamModel: model }, stream) {
        const encoded = encodeMessagesRequest(request, { model, stream, host });
        const { body, warnings } = encoded;
        return { path: messagesPath(model, stream), body, headers: betaHeader(encoded), warnings };
      },
      decode: (json) => decodeMessagesResponse(json, { provider: name }),
      framing: () => new SseFraming(),
      decoder: () => new MessagesStreamDecoder({ provider: name }),
    }),
    async countTokens({ request, upstreamModel: model, signal, timeouts }) {
      const encoded = encodeMessagesRequest(request, { model, stream: false, host, counting: true });
      const { body } = encoded;
      const call = { path: countPath, body, headers: betaHeader(encoded), signal, timeouts, model };
      const json = await api.json(call, maxCountBytes);
      const { input_tokens: tokens } = (json ?? {}) as { input_tokens?: unknown };
      if (typeof tokens === 'number' && Number.isInteger(tokens) && tokens >= 0) return tokens;
      throw notUnderstood(name, 'it has no count of tokens');
    },
  };
}

/** Hints that a model does not take are left out like those that the provider does not know. */
function unsupportedBy(always: readonly string[]): Provider['unsupported'] {
  const sets = new Map<string, ReadonlySet<string>>();
  return (model) => {
    const more = unsupportedByClaude(claudeModel(model));
    const key = more.join();
    const known = sets.get(key) ?? new Set([...always, ...more]);
    sets.set(key, known);
    return known;
  };
}
