import { create } from '@bufbuild/protobuf';
import {
  type GetRateLimitStatusResponse_OwnerStatus,
  GetRateLimitStatusResponse_OwnerStatusSchema,
  type GetRateLimitStatusResponse_Summary,
  GetRateLimitStatusResponse_SummarySchema,
} from '../../gen/llmgateway/v1/rate_limit_pb.js';
import { requireAdmin, requireAdminAmongKeys } from '../auth/admin.ts';
import { anonymous, type Principal } from '../auth/principal.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import { type LimitTerms, ownerAccount, ownerOf, ownerPrefix, ruleOf } from '../limits/classes.ts';
import { type LimitRule, type LimitStore, limitAt, noRule, type Standing } from '../limits/store.ts';

/** How limits stand, as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface LimitsApi {
  /**
   * Those of the caller itself anyone may see.
   * @param tenant null for the one in which the owner is known; of several the one in which least is left. For who is no administrator: their own
   */
  ofOwner(
    principal: Principal,
    owner: string,
    tenant: string | null,
  ): Promise<GetRateLimitStatusResponse_OwnerStatus>;
  summary(principal: Principal): Promise<GetRateLimitStatusResponse_Summary>;
  /**
   * @param owner null for everybody, providers included
   * @param tenant null for every one in which the owner is known
   * @returns the owner's tenants whose limits begin anew
   */
  reset(principal: Principal, owner: string | null, tenant: string | null): Promise<string[]>;
}

export interface LimitsApiOptions {
  readonly store: LimitStore;
  readonly terms: () => LimitTerms;
  /** The configured keys: their owners are known before they have called. */
  readonly keys: () => readonly Pick<Principal, 'id' | 'owner' | 'tenant' | 'rateClass'>[];
}

export function limitsApi({ store, terms, keys }: LimitsApiOptions): LimitsApi {
  /** Where an owner has a key in the configuration, or was counted lately. */
  async function tenantsOf(owner: string): Promise<string[]> {
    const found = new Set(keys().flatMap((key) => (key.owner === owner ? [key.tenant] : [])));
    for (const name of await store.names()) {
      const one = ownerOf(name);
      if (one?.owner === owner) found.add(one.tenant);
    }
    return [...found].sort();
  }

  /** Of one that was not counted yet: what it would be counted by, as far as that is known. */
  function expectedRule(tenant: string, owner: string): LimitRule {
    const key = keys().find((one) => one.owner === owner && one.tenant === tenant);
    return ruleOf(terms(), key ?? { id: '', owner, rateClass: 'default' });
  }

  return {
    async ofOwner(principal, owner, given) {
      const seesAll = principal.admin || principal === anonymous;
      if (!seesAll && (owner !== principal.owner || (given ?? principal.tenant) !== principal.tenant))
        requireAdmin(principal);
      const one = given ?? (seesAll ? null : principal.tenant);
      const tenants = one === null ? await tenantsOf(owner) : [one];
      if (tenants.length === 0) tenants.push('');
      const standings = await store.read(tenants.map((tenant) => ({ name: ownerAccount(tenant, owner) })));
      const places = standings.map((standing, i) => ({ standing, tenant: tenants[i] as string }));
      const [least] = places.sort((a, b) => compare(pressure(b.standing), pressure(a.standing)));
      const { standing, tenant } = least as (typeof places)[number];
      return statusOf(standing.rule ?? expectedRule(tenant, owner), standing, tenant);
    },
    async summary(principal) {
      requireAdminAmongKeys(principal);
      const owners = (await store.names()).filter((name) => name.startsWith(ownerPrefix));
      const standings = await store.read(owners.map((name) => ({ name })));
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
      requireAdmin(principal);
      if (owner === null) {
        if (tenant !== null) throw invalidRequest('tenant', 'tenant: there is no owner besides');
        await store.reset(null);
        return [];
      }
      const tenants = tenant === null ? await tenantsOf(owner) : [tenant];
      await store.reset(tenants.map((one) => ownerAccount(one, owner)));
      return tenants;
    },
  };
}

/** How close to being refused: how long it would be, then the largest share of a limit that is used, then how much there was at all. */
function pressure({ rule, used, inFlight, waitMs }: Standing): readonly number[] {
  const share = (count: number, limit: number): number => (limit > 0 ? count / limit : 0);
  const { concurrent } = rule ?? noRule;
  const shares = used.map((count, w) => share(count, limitAt(rule ?? noRule, w)));
  return [waitMs, Math.max(share(inFlight, concurrent), ...shares), Math.max(inFlight, ...used)];
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, i) => number !== b[i]);
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number);
}

function statusOf(
  rule: LimitRule,
  { used, inFlight, cooldownMs, waitMs }: Standing,
  tenant: string,
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
    tenant,
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
