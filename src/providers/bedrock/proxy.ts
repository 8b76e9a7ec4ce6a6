import { decodeProxyError, decodeProxyResponse } from '../../codec/bedrock-proxy/decode-response.ts';
import { encodeProxyRequest } from '../../codec/bedrock-proxy/encode-request.ts';
import type { ProviderConfig } from '../../config/providers.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { completionEvents } from '../../model/completion-events.ts';
import { HttpApi } from '../http-api.ts';
import type { Provider, ProviderCall } from '../provider.ts';

/** What a proxy cannot take besides what Bedrock cannot. */
const unsupportedByProxy = [
  'tools',
  'tool_choice',
  'response_format',
  'stop',
  'temperature',
  'top_p',
  'top_k',
  'reasoning_effort',
  'service_tier',
  'metadata',
];

/** A proxy in front of Bedrock that takes a prompt and answers with a text. It has no streams: its whole answer becomes one. */
export function bedrockProxy(config: ProviderConfig, client: UpstreamClient): Provider {
  const { name, headers, aws } = config;
  const endpoint = aws?.endpoint ?? '';
  const unsupported: ReadonlySet<string> = new Set([...config.unsupported, ...unsupportedByProxy]);
  const api = new HttpApi({ name, baseUrl: endpoint, headers, decodeError: decodeProxyError }, client);
  // The address is the operation itself; a bare host gets the usual one.
  const path = new URL(endpoint).pathname === '/' ? '/invoke' : '';
  const ask = async ({ request, upstreamModel, signal, timeouts, trace, warn }: ProviderCall) => {
    const { body, warnings } = encodeProxyRequest(request, upstreamModel, aws?.region ?? '');
    if (warnings.length > 0) warn(warnings);
    return decodeProxyResponse(await api.json({ path, body, signal, timeouts, trace }), name, upstreamModel);
  };
  return {
    name,
    missing: null,
    unsupported: () => unsupported,
    createChat: ask,
    streamChat: async (call) => completionEvents(await ask(call)),
  };
}
