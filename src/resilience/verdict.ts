import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { GatewayError } from '../errors/gateway-error.ts';
import { UpstreamError } from '../http/client.ts';
import type { RetryRules } from './rules.ts';

/**
 * What a failure before the first output means for the call:
 * - `again`: the same deployment may do it at another try, and others may;
 * - `elsewhere`: another deployment or model may;
 * - `missing`: the deployment does not have the model, but another may;
 * - `context`: the prompt is too long for the model;
 * - `final`: nothing else would help, or nothing else may be tried.
 */
export type Way = 'again' | 'elsewhere' | 'missing' | 'context' | 'final';

/**
 * What a failure means for the breaker of who failed: `trouble` counts against it, `alive` for it, `left` tells nothing: the client's, or
 * the gateway's own doing.
 */
export type Verdict = 'trouble' | 'alive' | 'left';

export function wayOf(error: GatewayError, rules: RetryRules): Way {
  const { reason, facts } = error;
  switch (reason) {
    case ErrorReason.UPSTREAM_UNREACHABLE:
    case ErrorReason.UPSTREAM_FAILED:
    case ErrorReason.UPSTREAM_INTERRUPTED:
    case ErrorReason.UPSTREAM_RATE_LIMITED:
      return unlessRefused(facts.retryable);
    case ErrorReason.UPSTREAM_OVERLOADED:
      // Its queue is the gateway's own and full.
      return kindOf(error) === 'overloaded' ? 'elsewhere' : unlessRefused(facts.retryable);
    case ErrorReason.UPSTREAM_TIMEOUT: {
      const cheap = facts.upstreamStatus !== undefined || kindOf(error) === 'connect_timeout';
      return cheap || rules.timeouts ? unlessRefused(facts.retryable) : 'elsewhere';
    }
    case ErrorReason.UPSTREAM_AUTH:
    case ErrorReason.UPSTREAM_INVALID:
    // A limit of the gateway's for this provider, or of its bulkhead.
    case ErrorReason.RATE_LIMITED:
    case ErrorReason.OVERLOADED:
      return 'elsewhere';
    case ErrorReason.UPSTREAM_REJECTED:
      if (isTooLong(error)) return 'context';
      if (isMissing(error)) return 'missing';
      return facts.retryable === true ? 'again' : 'final';
    default:
      return 'final';
  }
}

/** The provider says itself that another try is of no use there. */
const unlessRefused = (retryable: boolean | undefined): Way => (retryable === false ? 'elsewhere' : 'again');

export function verdictOf(error: GatewayError): Verdict {
  switch (error.reason) {
    case ErrorReason.UPSTREAM_UNREACHABLE:
    case ErrorReason.UPSTREAM_FAILED:
    case ErrorReason.UPSTREAM_INTERRUPTED:
      return kindOf(error) === 'aborted' ? 'left' : 'trouble';
    case ErrorReason.UPSTREAM_TIMEOUT:
    case ErrorReason.UPSTREAM_RATE_LIMITED:
      return 'trouble';
    case ErrorReason.UPSTREAM_OVERLOADED:
      return kindOf(error) === 'overloaded' ? 'left' : 'trouble';
    case ErrorReason.UPSTREAM_INVALID:
      // What is too large, or nested too deeply, may be this answer only.
      return error.cause instanceof RangeError || kindOf(error) === 'too_large' ? 'alive' : 'trouble';
    case ErrorReason.UPSTREAM_AUTH:
    case ErrorReason.UPSTREAM_REJECTED:
    case ErrorReason.CONTENT_FILTERED:
      return 'alive';
    default:
      return 'left';
  }
}

const kindOf = ({ facts: { cause } }: GatewayError): string =>
  cause instanceof UpstreamError ? cause.kind : '';

/** In the words of OpenAI and those who imitate it; Anthropic and Bedrock; Gemini; llama.cpp. */
const tooLong =
  /context_length_exceeded|maximum context length|prompt is too long|input is too long|input token count.{0,40}exceeds|exceeds? the (?:available )?context/i;

function isTooLong({ rawMessage, facts }: GatewayError): boolean {
  const { upstreamStatus, upstreamCode = '' } = facts;
  if (upstreamStatus !== 400 && upstreamStatus !== 413) return false;
  return tooLong.test(upstreamCode) || tooLong.test(rawMessage);
}

const isMissing = ({ facts }: GatewayError): boolean => facts.upstreamStatus === 404;
