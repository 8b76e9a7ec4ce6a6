import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { UpstreamError, type UpstreamErrorKind } from '../http/client.ts';
import { redactText } from '../observability/redact.ts';

const faults: Readonly<Record<UpstreamErrorKind, readonly [ErrorReason, string]>> = {
  connect: [ErrorReason.UPSTREAM_UNREACHABLE, 'could not be reached'],
  connect_timeout: [ErrorReason.UPSTREAM_TIMEOUT, 'did not accept a connection in time'],
  first_byte_timeout: [ErrorReason.UPSTREAM_TIMEOUT, 'did not begin to answer in time'],
  idle_timeout: [ErrorReason.UPSTREAM_TIMEOUT, 'stopped answering'],
  reset: [ErrorReason.UPSTREAM_INTERRUPTED, 'broke off its answer'],
  aborted: [ErrorReason.UPSTREAM_INTERRUPTED, 'was cut off by the gateway'],
  too_large: [ErrorReason.UPSTREAM_INVALID, 'sent an answer larger than the gateway takes'],
  protocol: [ErrorReason.UPSTREAM_INVALID, 'sent an answer that is not valid HTTP'],
  framing: [ErrorReason.UPSTREAM_INVALID, 'sent a stream whose framing is broken'],
  overloaded: [ErrorReason.UPSTREAM_OVERLOADED, 'has too many requests of this gateway waiting'],
};

/** A failure of the exchange with a provider as the client is told of it; other errors as they are. */
export function upstreamFault(provider: string, error: unknown): unknown {
  if (error instanceof GatewayError) return withoutKeys(error);
  // Values nested without end, which JSON.parse takes, leave the codecs without stack.
  if (error instanceof RangeError) {
    const what = 'sent an answer that is too large or nested too deeply';
    return new GatewayError(ErrorReason.UPSTREAM_INVALID, `provider ${provider} ${what}`, {
      provider,
      cause: error,
    });
  }
  if (!(error instanceof UpstreamError)) return error;
  const [reason, what] = faults[error.kind];
  return new GatewayError(reason, `provider ${provider} ${what}`, { provider, cause: error });
}

/** Providers quote the key that they refuse, in forms that no pattern knows. */
function withoutKeys(error: GatewayError): GatewayError {
  const { reason, rawMessage, facts } = error;
  if (facts.upstreamStatus === undefined) return error;
  const { upstreamCode = '', upstreamType = '' } = facts;
  const [message, code, type] = [rawMessage, upstreamCode, upstreamType].map((text) => redactText(text));
  if (message === rawMessage && code === upstreamCode && type === upstreamType) return error;
  return new GatewayError(reason, message as string, {
    ...facts,
    upstreamCode: code as string,
    upstreamType: type as string,
  });
}
