import type { RateLimitReport, RateLimitReport_Standing } from '../../gen/llmgateway/v1/rate_limit_pb.js';

export const limitStanding = (
  limit: bigint,
  remaining: bigint,
  resetMs: bigint,
): RateLimitReport_Standing => ({
  $typeName: 'llmgateway.v1.RateLimitReport.Standing',
  limit,
  remaining,
  resetMs,
});

export const rateLimitReport = (
  requests: RateLimitReport_Standing | undefined,
  tokens: RateLimitReport_Standing | undefined,
): RateLimitReport => {
  const report: RateLimitReport = { $typeName: 'llmgateway.v1.RateLimitReport' };
  if (requests !== undefined) report.requests = requests;
  if (tokens !== undefined) report.tokens = tokens;
  return report;
};
