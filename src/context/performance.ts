import type { Counted } from '../observability/families.ts';
import { Performance, type PerformanceView } from '../observability/performance.ts';
import type { OnCallOver } from '../pipeline/metrics.ts';
import { type PerformanceApi, performanceApi } from '../rpc/performance-api.ts';
import { type Crew, counts } from '../workers/crew.ts';

/** What is remembered of calls, and who is told of it: all processes of the gateway as one. */
export function createPerformance(crew: Crew): {
  readonly api: PerformanceApi;
  readonly onOver: OnCallOver;
  readonly onSpent: (provider: string, usd: number) => void;
} {
  const performance = new Performance();
  crew.answer('performance.last', (hours) => performance.last(hours as number));
  return {
    api: performanceApi({
      counted: async () => (await crew.askAll(counts)) as Counted[],
      views: async (hours) => (await crew.askAll('performance.last', hours)) as PerformanceView[],
    }),
    onOver({ report, principal, id }, status, seconds, tokens) {
      const left = status === 'cancelled';
      performance.count({
        provider: report.provider,
        failed: status !== 'success' && !left,
        left,
        seconds,
        tokens: report.cache === 'hit' || report.cache === 'shared' ? 0 : tokens,
        cache: report.cache,
        owner: principal.owner,
        requestId: id,
      });
    },
    onSpent: (provider, usd) => performance.spent(provider, usd),
  };
}
