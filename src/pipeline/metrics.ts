import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { toGatewayError } from '../errors/gateway-error.ts';
import { tapEvents } from '../model/events.ts';
import type { Metrics, TokensUsed } from '../observability/metrics.ts';
import type { Call, Reply, Stage } from './call.ts';
import { leaving } from './leaving.ts';
import type { Route } from './route.ts';

/** What is told of a call that is over. @param tokens of prompt and answer; 0 when not known */
export type OnCallOver = (call: Call, status: string, seconds: number, tokens: number) => void;

/** Counts every call when it is over. The outermost stage, so that it sees what the client sees. */
export function metricsStage(metrics: Metrics, onOver: OnCallOver = () => {}): Stage {
  return (next) => async (call) => {
    const began = performance.now();
    const asked = call.request.model;
    metrics.callBegan(call.kind);
    const over = (
      status: string,
      firstSeconds: number | null,
      completionTokens: number,
      all: number,
    ): void => {
      const { report } = call;
      const seconds = (performance.now() - began) / 1_000;
      onOver(call, status, seconds, all);
      metrics.callEnded({
        provider: report.provider,
        model: report.provider === '' ? asked : report.upstreamModel,
        operation: call.kind,
        face: call.face,
        status,
        seconds,
        firstSeconds,
        completionTokens,
        cost: report.costUsd === '' ? null : Number(report.costUsd),
      });
      if (status === 'success' && report.tries.length > 0 && report.model !== '' && report.model !== asked)
        metrics.fallbackAnswered(asked, report.model);
    };
    let reply: Reply;
    try {
      reply = await next(call);
    } catch (error) {
      over(toGatewayError(error).reasonName, null, 0, 0);
      throw error;
    }
    if (reply.kind !== 'stream') {
      const usage = reply.kind === 'count' ? undefined : reply.response.usage;
      over('success', null, 0, usage?.totalTokens ?? 0);
      return reply;
    }
    const firstSeconds = (performance.now() - began) / 1_000;
    let tokens = 0;
    let all = 0;
    const events = tapEvents(reply.events, {
      events(batch) {
        const last = batch[batch.length - 1]?.event;
        if (last?.case !== 'finished') return;
        tokens = last.value.usage?.completionTokens ?? 0;
        all = last.value.usage?.totalTokens ?? 0;
      },
      end: (error) =>
        over(error === null ? 'success' : toGatewayError(error).reasonName, firstSeconds, tokens, all),
      abandoned: () => over(leaving(call).reasonName, firstSeconds, tokens, all),
    });
    return { kind: 'stream', events };
  };
}

/** Counts every request to a provider. @param tokens whether also what it used: the stage of usage knows better, where it is in the row */
export function attemptMetricsStage(metrics: Metrics, tokens: boolean): Stage {
  return (next) => async (call) => {
    const began = performance.now();
    const { provider, upstreamModel } = call.route as Route;
    const key = { provider: provider.name, model: upstreamModel, operation: call.kind };
    const over = (error: string): void =>
      metrics.attemptEnded({ ...key, error, seconds: (performance.now() - began) / 1_000 });
    const used = (usage: Usage | undefined): void => {
      if (tokens && usage !== undefined) metrics.tokensUsed(key, tokensOf(usage));
    };
    let reply: Reply;
    try {
      reply = await next(call);
    } catch (error) {
      over(toGatewayError(error).reasonName);
      throw error;
    }
    if (reply.kind !== 'stream') {
      over('');
      if (reply.kind !== 'count') used(reply.response.usage);
      return reply;
    }
    const events = tapEvents(reply.events, {
      events(batch) {
        const last = batch[batch.length - 1]?.event;
        if (last?.case === 'finished') used(last.value.usage);
      },
      end: (error) => over(error === null ? '' : toGatewayError(error).reasonName),
      abandoned: () => over(leaving(call).reasonName),
    });
    return events === reply.events ? reply : { kind: 'stream', events };
  };
}

/** The tokens of an answer, as the metrics have them. */
export const tokensOf = (usage: Usage): TokensUsed => ({
  prompt: usage.promptTokens,
  completion: usage.completionTokens,
  cached: usage.cachedTokens ?? 0,
  cacheWrite: usage.cacheWriteTokens ?? 0,
  reasoning: usage.reasoningTokens ?? 0,
});
