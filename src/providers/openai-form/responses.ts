import { decodeCompacted } from '../../codec/openai-responses/decode-compacted.ts';
import { decodeResponse } from '../../codec/openai-responses/decode-response.ts';
import { ResponseStreamDecoder } from '../../codec/openai-responses/decode-stream.ts';
import { encodeResponseRequest, unsupportedParameters } from '../../codec/openai-responses/encode-request.ts';
import { SseFraming } from '../framed-event-stream.ts';
import type { HttpApi } from '../http-api.ts';
import { httpChat } from '../http-chat.ts';
import type { ChatWay, ProviderCall } from '../provider.ts';

const unsupported: ReadonlySet<string> = new Set(unsupportedParameters);

/**
 * A provider's Responses API. Its errors have the form of all of OpenAI's. It keeps nothing: what a response goes on from is the gateway's
 * to know.
 * @param compacts whether it compacts conversations as well
 */
export const responsesWay = (api: HttpApi, compacts: boolean): ChatWay => ({
  unsupported: () => unsupported,
  ...httpChat<string>(api, {
    streamType: 'text/event-stream',
    encode: ({ request, upstreamModel: model }, stream) => ({
      path: '/responses',
      ...encodeResponseRequest(request, { model, stream, provider: api.name, stateless: true }),
    }),
    decode: (json) => decodeResponse(json, { provider: api.name }),
    framing: () => new SseFraming(),
    decoder: () => new ResponseStreamDecoder({ provider: api.name }),
  }),
  ...(compacts ? { compact: compactBy(api) } : {}),
});

/** `POST /responses/compact`. */
const compactBy =
  (api: HttpApi) =>
  async ({ request, upstreamModel: model, signal, timeouts, keys, trace, warn }: ProviderCall) => {
    const asked = {
      ...request,
      ...(request.parameters === undefined ? {} : { parameters: unkept(request) }),
    };
    const options = { model, stream: false, provider: api.name };
    const { body, warnings } = encodeResponseRequest(asked, options);
    if (warnings.length > 0) warn(warnings);
    const json = await api.json({ path: '/responses/compact', body, signal, timeouts, model, keys, trace });
    return decodeCompacted(json, { provider: api.name });
  };

/** Compacting has nothing to keep. */
function unkept({ parameters }: ProviderCall['request']) {
  const { store: _, ...rest } = parameters as NonNullable<typeof parameters>;
  return rest;
}
