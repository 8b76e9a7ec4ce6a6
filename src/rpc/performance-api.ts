import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type GetMetricsSummaryResponse,
  GetMetricsSummaryResponseSchema,
  type GetPerformanceResponse,
  GetPerformanceResponseSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import { requireAdminAmongKeys } from '../auth/admin.ts';
import type { Principal } from '../auth/principal.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import type { Counted } from '../observability/families.ts';
import { joinedViews, maxHours, type PerformanceView, percentile } from '../observability/performance.ts';
import { summaryOf } from '../observability/summary.ts';
import { shownProvider } from './query-providers.ts';

/** How calls went, as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface PerformanceApi {
  /** Who may ask is settled by the caller: on REST it is the scraper's token. */
  summary(): Promise<GetMetricsSummaryResponse>;
  /** @param hours 0 for the default */
  last(principal: Principal, hours: number): Promise<GetPerformanceResponse>;
}

export interface PerformanceParts {
  /** What each process of the gateway counts; none where nothing is counted. */
  readonly counted: () => Promise<readonly Counted[]>;
  /** Of each process of the gateway. */
  readonly views: (hours: number) => Promise<readonly PerformanceView[]>;
}

const usualHours = 24;

export function performanceApi({ counted, views }: PerformanceParts): PerformanceApi {
  return {
    async summary() {
      // The same numbers that a scrape has.
      const sums = summaryOf(await counted());
      const providers = Object.entries(sums.providers);
      return create(GetMetricsSummaryResponseSchema, {
        totalRequests: BigInt(sums.requests),
        requestsByProvider: Object.fromEntries(
          providers.map(([name, requests]) => [shownProvider(name), BigInt(requests)]),
        ),
        totalTokensUsed: BigInt(sums.tokens),
        totalCost: sums.cost,
        averageResponseTime: part(sums.seconds, sums.timed),
        cacheHitRate: part(sums.hits, sums.asked),
        errorRate: 100 * part(sums.failed, sums.requests - sums.left),
        uptimePercentage: 100,
      });
    },
    async last(principal, given) {
      requireAdminAmongKeys(principal);
      if (!Number.isInteger(given) || given < 0 || given > maxHours)
        throw invalidRequest('hours', `hours has to be a whole number from 1 to ${maxHours}`);
      const hours = given === 0 ? usualHours : given;
      const { sums, slow } = joinedViews(await views(hours));
      const successful = sums.requests - sums.failed - sums.left;
      return create(GetPerformanceResponseSchema, {
        timePeriodHours: hours,
        totalRequests: BigInt(sums.requests),
        successfulRequests: BigInt(successful),
        failedRequests: BigInt(sums.failed),
        successRate: sums.requests === sums.left ? 100 : 100 * part(successful, sums.requests - sums.left),
        averageResponseTime: part(sums.seconds, sums.requests),
        totalTokens: BigInt(sums.tokens),
        totalCost: sums.cost,
        requestsPerHour: sums.requests / hours,
        tokensPerHour: sums.tokens / hours,
        costPerHour: sums.cost / hours,
        providerBreakdown: Object.fromEntries(
          Object.entries(sums.providers).map(([name, { requests, tokens, cost }]) => [
            shownProvider(name),
            {
              $typeName: 'llmgateway.v1.GetPerformanceResponse.Provider' as const,
              requests: BigInt(requests),
              tokens: BigInt(tokens),
              cost,
            },
          ]),
        ),
        slowRequests: slow.map(({ provider, seconds, at, owner, requestId }) => ({
          provider: shownProvider(provider),
          responseTime: seconds,
          time: timestampFromMs(at),
          userId: owner,
          correlationId: requestId,
        })),
        p50: percentile(sums, 0.5),
        p95: percentile(sums, 0.95),
        p99: percentile(sums, 0.99),
      });
    },
  };
}

const part = (sum: number, count: number): number => (count === 0 ? 0 : sum / count);
