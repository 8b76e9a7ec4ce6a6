import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Metrics, TokensUsed } from '../observability/metrics.ts';
import type { Call, Stage } from './call.ts';
import type { Route } from './route.ts';
import { whenOver } from './when-over.ts';

/** What is told of a call that is over. @param tokens of prompt and answer; 0 when not known */
export type OnCallOver = (call: Call, status: string, seconds: number, tokens: number) => void;

/** Counts every call when it is over. The outermost stage, so that it sees what the client sees. */
export function metricsStage(metrics: Metrics, onOver: OnCallOver = () => {}): Stage {
  return (next) => (call) => {
    const began = performance.now();
    const asked = call.request.model;
    metrics.callBegan(call.kind);
    return whenOver(next, call, (error, usage, firstOutput) => {
      const { report } = call;
      const status = error === null ? 'success' : error.reasonName;
      const seconds = (performance.now() - began) / 1_000;
      onOver(call, status, seconds, usage?.totalTokens ?? 0);
      metrics.callEnded({
        provider: report.provider,
        model: report.provider === '' ? asked : report.upstreamModel,
        operation: call.kind,
        face: call.face,
        status,
        seconds,
        firstSeconds: firstOutput === null ? null : (firstOutput - began) / 1_000,
        // How fast an answer comes is told of streams only.
        completionTokens: firstOutput === null ? 0 : (usage?.completionTokens ?? 0),
      });
      if (error === null && report.tries.length > 0 && report.model !== '' && report.model !== asked)
        metrics.fallbackAnswered(asked, report.model);
    });
  };
}

/** What ends a try before its request. */
const unsent: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.BUDGET_EXHAUSTED,
  ErrorReason.DEPENDENCY_UNAVAILABLE,
  ErrorReason.NO_SECURE_PROVIDER,
]);

/** Counts every request to a provider that was sent. @param tokens whether also what it used: the stage of usage knows better, where it is in the row */
export function attemptMetricsStage(metrics: Metrics, tokens: boolean): Stage {
  return (next) => (call) => {
    const began = performance.now();
    const { provider, upstreamModel } = call.route as Route;
    const key = { provider: provider.name, model: upstreamModel, operation: call.kind };
    return whenOver(next, call, (error, usage) => {
      if (error !== null && (error.facts.unasked || unsent.has(error.reason))) return;
      const seconds = (performance.now() - began) / 1_000;
      metrics.attemptEnded({ ...key, error: error === null ? '' : error.reasonName, seconds });
      if (tokens && usage !== undefined) metrics.tokensUsed(key, tokensOf(usage, null));
    });
  };
}

/** The tokens of an answer, as the metrics have them. @param cost in US dollars; null when not known */
export const tokensOf = (usage: Usage, cost: number | null): TokensUsed => ({
  prompt: usage.promptTokens,
  completion: usage.completionTokens,
  cached: usage.cachedTokens ?? 0,
  cacheWrite: usage.cacheWriteTokens ?? 0,
  reasoning: usage.reasoningTokens ?? 0,
  cost,
});
