import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type GetUsageResponse,
  GetUsageResponseSchema,
  UsageGroup,
  type UsageTotals,
  UsageTotalsSchema,
} from '../../gen/llmgateway/v1/usage_service_pb.js';
import type { Principal } from '../auth/principal.ts';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import { beginOf, dayOf } from '../usage/days.ts';
import { formatUsd } from '../usage/money.ts';
import { daysFrom, type GroupName, maxDays, queryUsage } from '../usage/query.ts';
import type { Counters, Scope, UsageStore } from '../usage/store.ts';

/** What is asked, with the names that the face has for it. */
export interface UsageQuestion {
  /** '' for today. */
  readonly from: string;
  /** '' for today; for the first day where that is still to come. */
  readonly to: string;
  /** What the face calls the first day. */
  readonly fromField: string;
  /** None: by model. */
  readonly groups: readonly UsageGroup[];
  /** Undefined: the caller's, or all where it may see them. */
  readonly tenant: string | undefined;
}

/** UsageService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface UsageApi {
  getUsage(principal: Principal, question: UsageQuestion): Promise<GetUsageResponse>;
}

export const groupWords: ReadonlyMap<UsageGroup, GroupName> = new Map([
  [UsageGroup.MODEL, 'model'],
  [UsageGroup.KEY, 'key'],
  [UsageGroup.OWNER, 'owner'],
  [UsageGroup.PROVIDER, 'provider'],
  [UsageGroup.TENANT, 'tenant'],
  [UsageGroup.DAY, 'day'],
]);

export interface UsageApiOptions {
  readonly store: UsageStore;
  /** In milliseconds since 1970. */
  readonly now?: () => number;
  /** Brings what this gateway has not written yet to the store. */
  readonly flush: () => Promise<void>;
}

export function usageApi({ store, now = Date.now, flush }: UsageApiOptions): UsageApi {
  return {
    async getUsage(principal, { from: given, to: until, fromField, groups: wanted, tenant }) {
      const today = dayOf(now());
      const from = given === '' ? today : given;
      const isToCome = from > today;
      const to = until || (isToCome ? from : today);
      if (beginOf(from) === null)
        throw invalidRequest(fromField, `${fromField} has to be a day such as 2026-05-31`);
      const days = daysFrom(from, to);
      if (days === null) {
        throw invalidRequest(
          'to',
          `to has to be a day such as 2026-05-31, at most ${maxDays - 1} days after the first`,
        );
      }
      const scope = scopeOf(principal, tenant);
      const groups = [...new Set(wanted.length === 0 ? [UsageGroup.MODEL] : wanted)];
      if (groups.includes(UsageGroup.TENANT) && scope !== null) {
        throw invalidRequest('group_by', 'group_by tenant is for administrators who ask of all tenants');
      }
      await flush();
      const names = groups.map((group) => groupWords.get(group) as GroupName);
      const { total, groups: found } = await queryUsage(store, scope, days, names);
      return create(GetUsageResponseSchema, {
        from,
        to,
        total: totalsOf(total),
        groups: found.map(({ entries }, i) => ({
          group: groups[i] as UsageGroup,
          entries: entries.map(([name, counters]) => ({ name, totals: totalsOf(counters) })),
        })),
      });
    },
  };
}

/** @throws GatewayError PERMISSION_DENIED */
function scopeOf({ admin, tenant: own }: Principal, wanted: string | undefined): Scope {
  if (admin) return wanted ?? null;
  if (wanted === undefined || wanted === own) return own;
  throw new GatewayError(
    ErrorReason.PERMISSION_DENIED,
    'only administrators may see the usage of other tenants',
    {
      field: 'tenant',
    },
  );
}

const totalsOf = (counters: Counters): UsageTotals =>
  create(UsageTotalsSchema, {
    requests: counters.requests,
    promptTokens: counters.prompt,
    completionTokens: counters.completion,
    cachedTokens: counters.cached,
    cacheWriteTokens: counters.cacheWrite,
    reasoningTokens: counters.reasoning,
    costUsd: formatUsd(counters.pico),
    unpriced: counters.unpriced,
    estimated: counters.estimated,
    aborted: counters.aborted,
  });
