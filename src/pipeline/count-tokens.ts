import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { ProviderCall } from '../providers/provider.ts';
import type { ChatCall, Handler, TokenCount } from './call.ts';
import type { Route } from './route.ts';

/**
 * The gateway's own way to count a request's input tokens. Never throws.
 */
export type TokenCounter = (
  request: CreateChatCompletionRequest,
  model: { readonly provider: string; readonly upstreamModel: string },
) => { readonly tokens: number; readonly method: string };

/** Counts the input tokens of a call: the last handler of the pipeline for calls that ask for nothing else. */
export const countTokens =
  (counter: TokenCounter): Handler =>
  async (call) => {
    if (call.kind !== 'chat') throw new Error('only chat has tokens to count');
    const { report } = call;
    const { provider, upstreamModel } = call.route as Route;
    report.provider = provider.name;
    report.upstreamModel = upstreamModel;
    const count = (await byProvider(call)) ?? {
      ...counter(call.request, { provider: provider.name, upstreamModel }),
      estimated: true,
    };
    return { kind: 'count', count };
  };

/** @returns null when the provider cannot tell @throws GatewayError when the request is at fault, or nobody waits */
async function byProvider(call: ChatCall): Promise<TokenCount | null> {
  const { provider, upstreamModel, timeouts } = call.route as Route;
  if (provider.countTokens === undefined) return null;
  call.report.attempts++;
  const upstream: ProviderCall = {
    request: call.request,
    upstreamModel,
    requestId: call.id,
    signal: call.signal,
    timeouts,
    warn: (warnings) => void call.report.warnings.push(...warnings),
  };
  try {
    const tokens = await provider.countTokens(upstream);
    return tokens === null ? null : { tokens, estimated: false, method: 'provider' };
  } catch (cause) {
    const error = toGatewayError(cause);
    if (call.signal.aborted || isClients(error)) throw error;
    return null;
  }
}

/** Whether a failure would be the same for the answer. A 404 or 405 is not: the provider's server may lack only this route. */
function isClients({ reason, facts }: GatewayError): boolean {
  switch (reason) {
    case ErrorReason.INVALID_REQUEST:
    case ErrorReason.UNSUPPORTED_PARAMETER:
    case ErrorReason.REQUEST_TOO_LARGE:
    case ErrorReason.CONTENT_FILTERED:
      return true;
    case ErrorReason.UPSTREAM_REJECTED:
      return facts.upstreamStatus !== 404 && facts.upstreamStatus !== 405;
    default:
      return false;
  }
}
