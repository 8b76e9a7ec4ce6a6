import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { GetMetricsSummaryResponse } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import type { PerformanceApi } from '../rpc/performance-api.ts';
import type { RestHandler } from './exchange.ts';
import { sendFlat } from './platform-reply.ts';

/** `GET /metrics` for those who prefer JSON. */
export const summaryJson = (summary: GetMetricsSummaryResponse): string =>
  JSON.stringify({
    total_requests: Number(summary.totalRequests),
    requests_by_provider: Object.fromEntries(
      Object.entries(summary.requestsByProvider).map(([name, count]) => [name, Number(count)]),
    ),
    total_tokens_used: Number(summary.totalTokensUsed),
    total_cost: rounded(summary.totalCost, 4),
    average_response_time: rounded(summary.averageResponseTime, 3),
    cache_hit_rate: rounded(summary.cacheHitRate, 4),
    error_rate: rounded(summary.errorRate, 2),
    uptime_percentage: rounded(summary.uptimePercentage, 2),
  });

/** GET /metrics/performance. */
export const getPerformance =
  (api: PerformanceApi): RestHandler =>
  async (exchange) => {
    const given = new URLSearchParams(exchange.query).get('hours') ?? '0';
    if (!/^\d{1,4}$/.test(given)) throw invalidRequest('hours', 'hours has to be a whole number');
    const found = await api.last(exchange.principal, Number(given));
    const body = {
      time_period_hours: found.timePeriodHours,
      total_requests: Number(found.totalRequests),
      successful_requests: Number(found.successfulRequests),
      failed_requests: Number(found.failedRequests),
      success_rate: rounded(found.successRate, 2),
      average_response_time: rounded(found.averageResponseTime, 3),
      total_tokens: Number(found.totalTokens),
      total_cost: rounded(found.totalCost, 6),
      requests_per_hour: rounded(found.requestsPerHour, 2),
      tokens_per_hour: rounded(found.tokensPerHour, 2),
      cost_per_hour: rounded(found.costPerHour, 6),
      provider_breakdown: Object.fromEntries(
        Object.entries(found.providerBreakdown).map(([name, { requests, tokens, cost }]) => [
          name,
          { requests: Number(requests), tokens: Number(tokens), cost: rounded(cost, 6) },
        ]),
      ),
      slow_requests: found.slowRequests.map(({ provider, responseTime, time, userId, correlationId }) => ({
        provider,
        response_time: rounded(responseTime, 3),
        timestamp: time && timestampDate(time).toISOString(),
        user_id: userId,
        correlation_id: correlationId,
      })),
      percentiles: { p50: rounded(found.p50, 3), p95: rounded(found.p95, 3), p99: rounded(found.p99, 3) },
    };
    sendFlat(exchange, JSON.stringify(body));
  };

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
