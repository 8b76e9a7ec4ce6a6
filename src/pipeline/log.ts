import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import { idsOf, type TraceContext } from '../observability/trace.ts';
import type { Call, Stage } from './call.ts';
import { whenOver } from './when-over.ts';

/** Errors that a call's line has told of. */
const logged = new WeakSet<GatewayError>();

/** Also in other words. */
export const isLogged = (error: GatewayError): boolean =>
  logged.has(error) || (error.cause instanceof GatewayError && logged.has(error.cause));

/**
 * One line for every call when it is over: INFO when it succeeded, WARN when it failed, ERROR when the gateway is at fault.
 * Never a text of the client's or the model's.
 */
export function logStage(log: Logger, kind?: 'count_tokens'): Stage {
  return (next) => (call) => {
    const began = performance.now();
    return whenOver(next, call, (error, usage, firstOutput) => {
      if (error !== null) logged.add(error);
      writeLine(log, call, kind ?? call.kind, { began, firstOutput, error, usage });
    });
  };
}

/** As other programs have them in their logs, so that one finds the one by the other. */
function tracesOf(trace: TraceContext): Record<string, string> {
  const { traceId, spanId } = idsOf(trace);
  return { trace_id: traceId, span_id: spanId };
}

const sessionOf = (call: Call): string =>
  call.kind === 'chat' ? (call.request.options?.sessionId ?? '') : '';

/** What is logged of a failure. Words of a provider or of a service may quote the conversation, so only its codes are. */
export function loggedOf({ rawMessage, facts }: GatewayError): Record<string, unknown> {
  const { upstreamStatus, upstreamCode, upstreamType } = facts;
  if (upstreamStatus === undefined) return { error: rawMessage, ...causeOf(facts.cause) };
  return { upstream_status: upstreamStatus, upstream_code: upstreamCode, upstream_type: upstreamType };
}

/** The system's word for what is behind a failure: a refused connection, an unknown host, a bad certificate. */
function causeOf(cause: unknown): { readonly cause?: string } {
  let at = cause;
  for (let depth = 0; depth < maxCauses && at instanceof Error; depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string') return { cause: code };
    at = at.cause;
  }
  return {};
}

const maxCauses = 5;

interface Outcome {
  readonly began: number;
  readonly firstOutput: number | null;
  readonly error: GatewayError | null;
  readonly usage: Usage | undefined;
}

function writeLine(
  log: Logger,
  call: Call,
  kind: string,
  { began, firstOutput, error, usage }: Outcome,
): void {
  if (error === null && !log.enabled('INFO')) return;
  const fields = {
    request_id: call.id,
    ...(call.trace === undefined ? {} : tracesOf(call.trace)),
    ...(sessionOf(call) === '' ? {} : { session_id: sessionOf(call) }),
    face: call.face,
    kind,
    stream: call.stream,
    model: call.request.model,
    provider: call.report.provider,
    upstream_model: call.report.upstreamModel,
    attempts: call.report.attempts,
    ...(call.kind !== 'chat' || call.tools === undefined || call.tools.rounds === 0
      ? {}
      : { tool_rounds: call.tools.rounds, tools: [...call.tools.ran].join(', ') }),
    status: error === null ? 'success' : error.reasonName,
    latency_ms: Math.round(performance.now() - began),
    ...(firstOutput !== null ? { first_output_ms: Math.round(firstOutput - began) } : {}),
    ...(usage === undefined
      ? {}
      : {
          prompt_tokens: usage.promptTokens,
          completion_tokens: usage.completionTokens,
          ...(usage.cachedTokens === undefined ? {} : { cached_tokens: usage.cachedTokens }),
          ...(usage.reasoningTokens === undefined ? {} : { reasoning_tokens: usage.reasoningTokens }),
        }),
    ...(call.report.cache === '' ? {} : { cache: call.report.cache }),
    ...(call.report.costUsd === '' ? {} : { cost_usd: call.report.costUsd }),
    ...(call.report.costEstimated ? { cost_estimated: true } : {}),
  };
  if (error === null) log.info('call', fields);
  else if (error.reason === ErrorReason.INTERNAL) log.error('call', { ...fields, error });
  else log.warn('call', { ...fields, ...loggedOf(error) });
}
