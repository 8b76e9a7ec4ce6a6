import { decodeResponse } from '../../codec/openai-responses/decode-response.ts';
import { ResponseStreamDecoder } from '../../codec/openai-responses/decode-stream.ts';
import { encodeResponseRequest, unsupportedParameters } from '../../codec/openai-responses/encode-request.ts';
import { SseFraming } from '../framed-event-stream.ts';
import type { HttpApi } from '../http-api.ts';
import { httpChat } from '../http-chat.ts';
import type { ChatWay } from '../provider.ts';

const unsupported: ReadonlySet<string> = new Set(unsupportedParameters);

/** A provider's Responses API. Its errors have the form of all of OpenAI's. */
export const responsesWay = (api: HttpApi): ChatWay => ({
  unsupported: () => unsupported,
  ...httpChat<string>(api, {
    streamType: 'text/event-stream',
    encode: ({ request, upstreamModel: model }, stream) => ({
      path: '/responses',
      ...encodeResponseRequest(request, { model, stream }),
    }),
    decode: (json) => decodeResponse(json, { provider: api.name }),
    framing: () => new SseFraming(),
    decoder: () => new ResponseStreamDecoder({ provider: api.name }),
  }),
});
