import type { UpstreamAttempt } from '../../gen/llmgateway/v1/attempt_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Candidate } from './plan.ts';
import type { RetryRules } from './rules.ts';
import { wayOf } from './verdict.ts';

/** Whether a try failed before the provider was asked: by a limit of the gateway's own, or for want of a key. */
export const isUnasked = ({ reason, facts }: GatewayError): boolean =>
  facts.unasked === true || reason === ErrorReason.OVERLOADED || reason === ErrorReason.RATE_LIMITED;

/**
 * A failure as the client is told of it: with all that was tried, and, when the gateway has retried, that another try is not for the client to
 * make: SDKs retry, too, and the tries would multiply. One that says when to come back is left to them.
 * @param unasked in how many of the tries no provider was asked
 * @param denied there would have been a retry, but for the budget
 */
export function toldOf(
  error: GatewayError,
  tries: readonly UpstreamAttempt[],
  unasked: number,
  denied: boolean,
  rules: RetryRules,
): GatewayError {
  if (tries.length === 0) return error;
  const { facts } = error;
  const attempts = tries.length - unasked;
  const isSettled =
    (attempts > 1 || denied) && facts.retryAfterMs === undefined && wayOf(error, rules) === 'again';
  const told = new GatewayError(error.reason, error.rawMessage, {
    ...facts,
    tries,
    attempts,
    ...(isSettled ? { retryable: false } : {}),
    cause: error.cause,
  });
  if (error.rateLimits !== undefined) told.rateLimits = error.rateLimits;
  if (error.sensitivity !== undefined) told.sensitivity = error.sensitivity;
  return told;
}

/** Nobody was asked, because the breakers of all are open. @param opensMs until the first of them lets a call through */
export function allOpen(deployments: readonly Candidate[], opensMs: number): GatewayError {
  const names = [...new Set(deployments.map(({ provider }) => provider.name))];
  return new GatewayError(
    ErrorReason.OVERLOADED,
    `provider ${names.join(', ')} failed too often lately and is not asked for a while`,
    { provider: names[0] ?? '', retryAfterMs: Math.max(1, Math.ceil(opensMs)) },
  );
}
