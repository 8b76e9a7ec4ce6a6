import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type GetRateLimitStatusResponse_OwnerStatus,
  GetRateLimitStatusResponse_OwnerStatusSchema,
  type GetRateLimitStatusResponse_Summary,
  GetRateLimitStatusResponse_SummarySchema,
} from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { anonymous, type Principal } from '../auth/principal.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { type LimitTerms, ownerAccount, ownerPrefix, ruleOf } from '../limits/classes.ts';
import type { LimitRule, LimitStore, Standing } from '../limits/store.ts';

/** How limits stand, as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface LimitsApi {
  /** Those of the caller itself anyone may see. */
  ofOwner(
    principal: Principal,
    owner: string,
    tenant: string | null,
  ): Promise<GetRateLimitStatusResponse_OwnerStatus>;
  summary(principal: Principal): Promise<GetRateLimitStatusResponse_Summary>;
  /** @param owner null for everybody, providers included */
  reset(principal: Principal, owner: string | null, tenant: string): Promise<void>;
}

export interface LimitsApiOptions {
  readonly store: LimitStore;
  readonly terms: () => LimitTerms;
}

const noRule: LimitRule = {
  requestsPerMinute: 0,
  requestsPerHour: 0,
  tokensPerMinute: 0,
  burst: 0,
  cooldownMs: 0,
  concurrent: 0,
};

export function limitsApi({ store, terms }: LimitsApiOptions): LimitsApi {
  return {
    async ofOwner(principal, owner, given) {
      const tenant = given ?? (principal.admin ? '' : principal.tenant);
      const isOwn = owner === principal.owner && tenant === principal.tenant;
      if (!isOwn) needsAdmin(principal);
      const rule = ruleOf(terms(), isOwn ? principal : { ...anonymous, id: '', owner, tenant });
      const [standing] = await store.read([{ name: ownerAccount(tenant, owner), rule }]);
      return statusOf(rule, standing as Standing);
    },
    async summary(principal) {
      needsAdmin(principal);
      const owners = (await store.names()).filter((name) => name.startsWith(ownerPrefix));
      const standings = await store.read(owners.map((name) => ({ name, rule: noRule })));
      const sum = (w: number): bigint =>
        BigInt(standings.reduce((all, { used }) => all + (used[w] as number), 0));
      return create(GetRateLimitStatusResponse_SummarySchema, {
        requestsLastMinute: sum(1),
        tokensLastMinute: sum(3),
        activeOwners: BigInt(standings.filter(({ used }) => used.some((count) => count > 0)).length),
        specialRules: BigInt(terms().users.size),
      });
    },
    async reset(principal, owner, tenant) {
      if (!principal.admin) throw notAdmin();
      await store.reset(owner === null ? null : [ownerAccount(tenant, owner)]);
    },
  };
}

const notAdmin = (): GatewayError =>
  new GatewayError(ErrorReason.PERMISSION_DENIED, 'this is for administrators');

/** Where nobody is told apart there are no secrets either. */
function needsAdmin(principal: Principal): void {
  if (!principal.admin && principal !== anonymous) throw notAdmin();
}

function statusOf(
  rule: LimitRule,
  { used, inFlight, cooldownMs, waitMs }: Standing,
): GetRateLimitStatusResponse_OwnerStatus {
  const [burst = 0, minute = 0, hour = 0, tokens = 0] = used;
  const near = (count: number, limit: number): boolean => limit > 0 && count >= limit * 0.9;
  let status = 'normal';
  if (cooldownMs > 0) status = 'cooldown';
  else if (used.every((count) => count === 0) && inFlight === 0) status = 'no_activity';
  else if (near(minute, rule.requestsPerMinute)) status = 'approaching_limit';
  else if (near(hour, rule.requestsPerHour)) status = 'approaching_hourly_limit';
  else if (near(tokens, rule.tokensPerMinute)) status = 'approaching_token_limit';
  return create(GetRateLimitStatusResponse_OwnerStatusSchema, {
    status,
    requestsPerMinute: BigInt(rule.requestsPerMinute),
    requestsPerHour: BigInt(rule.requestsPerHour),
    tokensPerMinute: BigInt(rule.tokensPerMinute),
    burstLimit: BigInt(rule.burst),
    concurrent: BigInt(rule.concurrent),
    requestsThisMinute: BigInt(minute),
    requestsThisHour: BigInt(hour),
    tokensThisMinute: BigInt(tokens),
    burstCount: BigInt(burst),
    inFlight: BigInt(inFlight),
    cooldownRemainingMs: BigInt(Math.ceil(cooldownMs)),
    nextRequestAllowedMs: BigInt(Math.ceil(waitMs)),
  });
}
