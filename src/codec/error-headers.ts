import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { GatewayError } from '../errors/gateway-error.ts';
import { reasonForms } from '../errors/reasons.ts';
import { tellLimits } from '../model/limit-headers.ts';
import { tellSensitivity } from '../model/sensitivity-header.ts';

/** Headers that go with an error: what was tried, how to prove who one is, when and whether another try makes sense. */
export function errorHeaders({
  reason,
  facts,
  rateLimits,
  sensitivity,
}: GatewayError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (facts.attempts !== undefined) {
    if (facts.provider !== undefined && facts.provider !== '') headers['x-provider-used'] = facts.provider;
    headers['x-attempts'] = String(facts.attempts);
  }
  // Every 401 has it (RFC 9110, 11.6.1).
  if (reason === ErrorReason.UNAUTHENTICATED) headers['www-authenticate'] = 'Bearer realm="llm-gateway"';
  if (facts.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.ceil(facts.retryAfterMs / 1000));
    headers['retry-after-ms'] = String(facts.retryAfterMs);
  }
  const retryable = facts.retryable ?? reasonForms[reason].retryable;
  if (retryable !== undefined) headers['x-should-retry'] = String(retryable);
  tellLimits(rateLimits, (name, value) => {
    headers[name] = value;
  });
  tellSensitivity(sensitivity, (name, value) => {
    headers[name] = value;
  });
  return headers;
}
