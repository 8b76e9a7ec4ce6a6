import type { GetRateLimitStatusResponse_OwnerStatus } from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { requireAdmin } from '../auth/admin.ts';
import { anonymous, type Principal } from '../auth/principal.ts';
import { type GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import type { LimitsApi } from '../rpc/limits-api.ts';
import { type RestHandler, readMembers, refuseOthers } from './exchange.ts';
import { sendFlat } from './platform-reply.ts';

const maxBodyBytes = 16_384;
const maxNameLength = 256;

const known = ['user_id', 'tenant'];

/** GET /rate-limit/status: of an owner (`user_id`), or of all; who may not see all sees their own. */
export const getRateLimits =
  (api: LimitsApi): RestHandler =>
  async (exchange) => {
    const { principal } = exchange;
    const query = new URLSearchParams(exchange.query);
    refuseOthers(query.keys(), known);
    const user = query.get('user_id') || ownOf(principal);
    const tenant = query.get('tenant');
    if (user === null) {
      if (tenant !== null) throw alone();
      const { requestsLastMinute, tokensLastMinute, activeOwners, specialRules } =
        await api.summary(principal);
      const body = {
        global_requests_last_minute: Number(requestsLastMinute),
        global_tokens_last_minute: Number(tokensLastMinute),
        active_users: Number(activeOwners),
        special_rules_count: Number(specialRules),
        timestamp: new Date().toISOString(),
      };
      return sendFlat(exchange, JSON.stringify(body));
    }
    const place = tenant === null ? null : nameIn('tenant', tenant);
    const status = await api.ofOwner(principal, nameIn('user_id', user), place);
    sendFlat(exchange, JSON.stringify({ user_id: user, tenant: status.tenant, ...statusJson(status) }));
  };

const ownOf = (principal: Principal): string | null =>
  principal.admin || principal === anonymous ? null : principal.owner;

/** POST /admin/reset-limits: an owner's (`user_id`), or all. */
export const resetRateLimits =
  (api: LimitsApi): RestHandler =>
  async (exchange) => {
    requireAdmin(exchange.principal);
    const body = await readMembers(exchange, maxBodyBytes, known, {});
    const user = body['user_id'] ?? null;
    const tenant = body['tenant'] ?? null;
    if (user !== null && (typeof user !== 'string' || user === ''))
      throw invalidRequest('user_id', 'user_id has to be a name');
    if (tenant !== null && typeof tenant !== 'string')
      throw invalidRequest('tenant', 'tenant has to be a name');
    if (user === null && tenant !== null) throw alone();
    const tenants = await api.reset(
      exchange.principal,
      user === null ? null : nameIn('user_id', user),
      tenant === null ? null : nameIn('tenant', tenant),
    );
    const whose = user === null ? {} : { tenants };
    sendFlat(exchange, JSON.stringify({ reset: true, user_id: user, ...whose }));
  };

const alone = (): GatewayError => invalidRequest('tenant', 'tenant: there is no user_id besides');

function nameIn(field: string, name: string): string {
  if (name.length > maxNameLength || !name.isWellFormed())
    throw invalidRequest(field, `${field} has to be a name of at most ${maxNameLength} characters`);
  return name;
}

function statusJson(status: GetRateLimitStatusResponse_OwnerStatus): Record<string, unknown> {
  const used = {
    requests_this_minute: Number(status.requestsThisMinute),
    requests_this_hour: Number(status.requestsThisHour),
    tokens_this_minute: Number(status.tokensThisMinute),
    burst_count: Number(status.burstCount),
  };
  const cooldown = Math.ceil(Number(status.cooldownRemainingMs) / 1_000);
  if (status.status === 'no_activity') {
    return { status: status.status, ...used, cooldown_remaining: cooldown };
  }
  return {
    status: status.status,
    rule: {
      requests_per_minute: Number(status.requestsPerMinute),
      requests_per_hour: Number(status.requestsPerHour),
      tokens_per_minute: Number(status.tokensPerMinute),
      burst_limit: Number(status.burstLimit),
      concurrent: Number(status.concurrent),
    },
    current_usage: { ...used, in_flight: Number(status.inFlight) },
    limits: {
      cooldown_remaining: cooldown,
      // In seconds.
      next_request_allowed: Number(status.nextRequestAllowedMs) / 1_000,
    },
  };
}
