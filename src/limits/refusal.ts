import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Account, LimitName, LimitRule, Refusal } from './store.ts';

/** When a client may ask again that was refused since too many calls are under way: nobody knows when one ends. */
const placeMs = 1_000;

/** What a refused call is told: which limit, whose, and how large it is. */
export function refused({ limit, waitMs }: Refusal, { name, rule }: Account, tokens: number): GatewayError {
  const never = waitMs === null && limit !== 'concurrent';
  const rest =
    limit === 'tokens'
      ? never
        ? `: this one may use ${tokens}, which is more than the limit by itself`
        : `, this one may use ${tokens}`
      : '';
  const message = `rate limit of ${shownAccount(name)} reached: ${shownLimit(limit, rule)}${rest}`;
  const [kind = '', provider = ''] = name.split(':');
  return new GatewayError(ErrorReason.RATE_LIMITED, message, {
    ...(kind === 'provider' ? { provider: decodeURIComponent(provider) } : {}),
    ...(never ? { retryable: false } : { retryAfterMs: Math.max(1, Math.ceil(waitMs ?? placeMs)) }),
  });
}

function shownLimit(limit: LimitName, rule: LimitRule): string {
  switch (limit) {
    case 'burst':
      return `${rule.burst} requests within a second`;
    case 'minute':
      return `${rule.requestsPerMinute} requests within a minute`;
    case 'hour':
      return `${rule.requestsPerHour} requests within an hour`;
    case 'tokens':
      return `${rule.tokensPerMinute} tokens within a minute`;
    case 'cooldown':
      return `there were more than ${rule.burst} requests within a second, and there is a pause of ${rule.cooldownMs / 1_000} s`;
    case 'concurrent':
      return `${rule.concurrent} calls at the same time`;
  }
}

/** An account as a client knows it: `owner alice`. */
function shownAccount(name: string): string {
  const at = name.indexOf(':');
  if (at === -1) return 'all calls';
  const rest = name.slice(at + 1);
  return `${name.slice(0, at)} ${decodeURIComponent(rest.slice(rest.lastIndexOf('/') + 1))}`;
}
