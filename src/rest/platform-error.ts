import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { errorHeaders } from '../codec/error-headers.ts';
import { type GatewayError, loadMembers } from '../errors/gateway-error.ts';
import { correlationHeader } from '../rpc/correlation.ts';
import type { ErrorReply } from './error-form.ts';

/** Routes whose clients are those of the documentation platform, but the one that another API has as well; see platformRoute. */
const paths = new Set([
  '/query',
  '/chat',
  '/stream',
  '/enhanced-query',
  '/workflow-query',
  '/contextual-query',
  '/services/status',
  '/metrics/performance',
  '/cache/clear',
  '/v1/cache/clear',
  '/cache/status',
  '/v1/cache/status',
  '/providers',
  '/rate-limit/status',
  '/admin/reset-limits',
]);

export const isPlatformPath = (path: string): boolean =>
  paths.has(path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path) ||
  path.startsWith('/integrations/');

/** The platform's own words. */
export function platformCode({ reason, status }: GatewayError): string {
  if (reason === ErrorReason.INTERNAL) return 'internal_error';
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not_found';
  if (status === 409) return 'conflict';
  if (status === 429) return 'rate_limit_exceeded';
  if (status === 502 || reason === ErrorReason.UPSTREAM_TIMEOUT) return 'provider_error';
  return status >= 500 ? 'service_unavailable' : 'validation_error';
}

/** An error in the platform's form. @param correlation id of the call */
export function platformErrorReply(error: GatewayError, correlation: string): ErrorReply {
  const { facts, rateLimits } = error;
  const limit = rateLimits?.requests?.limit ?? rateLimits?.tokens?.limit;
  const details = {
    reason: error.reasonName,
    ...(facts.field === undefined || facts.field === '' ? {} : { field: facts.field }),
    ...(facts.provider === undefined || facts.provider === '' ? {} : { provider: facts.provider }),
    ...(facts.upstreamStatus === undefined ? {} : { upstream_status: facts.upstreamStatus }),
    ...(error.status === 429 && limit !== undefined ? { limit: Number(limit) } : {}),
    ...(facts.retryAfterMs === undefined ? {} : { retry_after: Math.ceil(facts.retryAfterMs / 1_000) }),
    ...(facts.load === undefined ? {} : loadMembers(facts.load)),
  };
  return {
    status: error.status,
    headers: { ...errorHeaders(error), [correlationHeader]: correlation },
    body: JSON.stringify({
      success: false,
      message: error.rawMessage,
      error_code: platformCode(error),
      details,
      correlation_id: correlation,
    }),
  };
}
