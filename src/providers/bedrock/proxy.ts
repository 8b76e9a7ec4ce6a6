import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeProxyError, decodeProxyResponse } from '../../codec/bedrock-proxy/decode-response.ts';
import { encodeProxyRequest } from '../../codec/bedrock-proxy/encode-request.ts';
import type { ProviderConfig } from '../../config/providers.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { UpstreamClient } from '../../http/client.ts';
import { completionEvents } from '../../model/completion-events.ts';
import { backgroundTimeouts, HttpApi } from '../http-api.ts';
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
  const health = new URL('health', endpoint);
  const beside = new HttpApi(
    { name, baseUrl: health.origin, headers, decodeError: decodeProxyError },
    client,
  );
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
    // It has no list of models; this tells whether it is there.
    async listModels(signal) {
      const request = { path: health.pathname, body: null, signal, timeouts: backgroundTimeouts };
      try {
        const response = await beside.send(request);
        if (!saysHealthy(await response.body.text())) {
          throw new GatewayError(
            ErrorReason.UPSTREAM_FAILED,
            `provider ${name} does not say that it is healthy`,
          );
        }
      } catch (error) {
        // One without such a path answers all the same.
        if (!(error instanceof GatewayError && error.facts.upstreamStatus === 404)) throw error;
      }
      return [];
    },
  };
}

/** What is no JSON, or has no status, is an answer all the same. */
function saysHealthy(text: string): boolean {
  try {
    const { status } = JSON.parse(text) as { status?: unknown };
    return typeof status !== 'string' || /^(?:healthy|ok|up)$/i.test(status);
  } catch {
    return true;
  }
}
