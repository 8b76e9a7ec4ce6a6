import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { type AuditEntry, sensitivityOf } from '../audit/entry.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { Call, Stage } from './call.ts';
import { whenOver } from './when-over.ts';

/** Has a line written for each call when it is over. The first stage. @param kind of calls that only count tokens */
export function auditStage(write: (entry: AuditEntry) => void, kind?: 'count_tokens'): Stage {
  return (next) => (call) => {
    const began = performance.now();
    const { model } = call.request;
    return whenOver(next, call, (error, usage) =>
      write(entryOf(call, { model, kind: kind ?? call.kind, began, error, usage })),
    );
  };
}

interface Outcome {
  /** What was asked for. */
  readonly model: string;
  readonly kind: string;
  readonly began: number;
  readonly error: GatewayError | null;
  readonly usage: Usage | undefined;
}

function entryOf(call: Call, { model, kind, began, error, usage }: Outcome): AuditEntry {
  const { principal, report, named = {} } = call;
  const { sensitivity } = report;
  const user = userOf(call);
  const sessionId = call.kind === 'chat' ? (call.request.options?.sessionId ?? '') : '';
  const requested = named.provider ?? call.security?.from ?? call.plan?.deployments[0]?.provider.name;
  const asked = named.model ?? model;
  return {
    ts: new Date().toISOString(),
    request_id: call.id,
    ...(named.correlationId === undefined ? {} : { correlation_id: named.correlationId }),
    tenant: principal.tenant,
    principal: principal.id,
    ...(user === '' ? {} : { user }),
    ...(sessionId === '' ? {} : { session_id: sessionId }),
    endpoint: named.route ?? call.face,
    kind,
    stream: call.stream,
    ...(asked === '' ? {} : { model_requested: asked }),
    ...(requested === undefined ? {} : { provider_requested: requested }),
    ...(report.provider === '' ? {} : { provider: report.provider, model: report.upstreamModel }),
    attempts: report.attempts,
    ...sensitivityOf(sensitivity),
    cached: report.cache === 'hit' || report.cache === 'shared',
    ...(usage === undefined
      ? {}
      : {
          prompt_tokens: usage.promptTokens,
          completion_tokens: usage.completionTokens,
          total_tokens: usage.totalTokens,
        }),
    ...(report.costUsd === '' ? {} : { cost_usd: report.costUsd }),
    ...(report.costEstimated ? { cost_estimated: true } : {}),
    latency_ms: Math.round(performance.now() - began),
    status: error === null ? 'success' : error.reasonName,
  };
}

/** As long as a user's id may be. */
const maxUser = 256;

function userOf(call: Call): string {
  const said = call.kind === 'chat' ? call.request.parameters?.user : call.request.user;
  const user = said || (call.named?.user ?? '');
  return user.slice(0, maxUser).toWellFormed();
}
