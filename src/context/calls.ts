import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import type { AnswerCache } from '../cache/answer-cache.ts';
import { unknownMembers } from '../codec/unknown-members.ts';
import type { Config } from '../config/load.ts';
import type { Limits } from '../limits/limits.ts';
import { SharedMemory } from '../memory/shared-memory.ts';
import type { MemoStore } from '../memory/store.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import { auditStage } from '../pipeline/audit.ts';
import { cacheStage } from '../pipeline/cache.ts';
import { type Call, type Handler, pipeline, type Stage } from '../pipeline/call.ts';
import { compactionStage } from '../pipeline/compaction.ts';
import { contextStage } from '../pipeline/context.ts';
import { countTokens } from '../pipeline/count-tokens.ts';
import { dispatch } from '../pipeline/dispatch.ts';
import { enableToolsStage } from '../pipeline/enable-tools.ts';
import { hostedToolsStage } from '../pipeline/hosted-tools.ts';
import { legacyFunctionsStage } from '../pipeline/legacy-functions.ts';
import { admittedStage, letInStage, limitsStage, providerLimitsStage } from '../pipeline/limits.ts';
import { logStage } from '../pipeline/log.ts';
import { attemptMetricsStage, metricsStage, type OnCallOver, tokensOf } from '../pipeline/metrics.ts';
import { optionsStage } from '../pipeline/options.ts';
import { paramsStage } from '../pipeline/params.ts';
import { preflightStage } from '../pipeline/preflight.ts';
import { reasoningStateStage } from '../pipeline/reasoning-state.ts';
import { resilienceStage } from '../pipeline/resilience.ts';
import { responsesStage } from '../pipeline/responses.ts';
import type { Route } from '../pipeline/route.ts';
import { routingStage } from '../pipeline/routing.ts';
import { securityGuard, securityRoundsStage, securityStage } from '../pipeline/security.ts';
import { sessionStage } from '../pipeline/session.ts';
import { threadsStage } from '../pipeline/threads.ts';
import { countedToolsStage, toolsStage } from '../pipeline/tools.ts';
import { attemptTraceStage, forwardTraceStage, requestTraceStage, waiting } from '../pipeline/traces.ts';
import { truncationStage } from '../pipeline/truncation.ts';
import { usageStage } from '../pipeline/usage.ts';
import { StateMemory } from '../reasoning/state-memory.ts';
import { Origins } from '../resilience/origins.ts';
import type { Targets } from '../resilience/targets.ts';
import type { SecurityMode } from '../security/mode.ts';
import type { Leases } from '../sessions/leases.ts';
import { countTokens as countByTokenizer } from '../tokens/count-tokens.ts';
import { namedTaxonomy, withDefaults } from '../tools/taxonomy.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { TurnMemory } from '../tools/turn-memory.ts';
import { type Pico, usdOf } from '../usage/money.ts';
import type { Audit } from './audit.ts';
import type { Settled } from './settled.ts';
import type { UsageParts } from './usage.ts';

export interface CallParts {
  readonly initial: Config;
  readonly settled: () => Settled;
  readonly leases: Leases;
  /** What processes remember together; null where each is alone. */
  readonly memos: MemoStore | null;
  readonly toolbox: Toolbox;
  /** Null: nothing is counted. */
  readonly usage: UsageParts | null;
  readonly limits: Limits;
  /** Whether calls are limited at all, by the configuration that holds now. */
  readonly isLimited: () => boolean;
  /** Null: no answers are kept. */
  readonly cache: AnswerCache | null;
  /** What is remembered of providers. */
  readonly targets: Targets;
  /** Null: nothing is written down. */
  readonly audit: Audit | null;
  /** Null: nothing is counted. */
  readonly metrics: Metrics | null;
  /** Told of each call that is over, where calls are counted. */
  readonly onOver: OnCallOver;
  /** Told of what each answer of a provider's costs, in US dollars, where calls are counted. */
  readonly onSpent: (provider: string, usd: number) => void;
  /** Null: no spans are made. */
  readonly tracing: Tracing | null;
  /** Told how what is remembered is made smaller when memory is short. */
  readonly onPressure: (shrink: () => void) => void;
  readonly log: Logger;
}

export interface CallHandlers {
  /** Answers calls. */
  readonly handle: Handler;
  /** Answers calls that only count tokens. */
  readonly count: Handler;
}

/** The row of stages that every call passes. The order matters: each stage sees the call as those before it have left it. */
export function createCalls(parts: CallParts): CallHandlers {
  const {
    initial,
    settled,
    leases,
    memos,
    toolbox,
    usage,
    limits,
    isLimited,
    cache,
    targets,
    audit,
    metrics,
    tracing,
    onPressure,
    log,
  } = parts;
  const toolsLog = log.module('tools');
  const shared = (kind: string, ttlMs: number): SharedMemory | null =>
    memos === null ? null : new SharedMemory({ store: memos, kind, ttlMs });
  const taxonomyNamed = (messages: readonly Message[]): string => namedTaxonomy(messages) ?? '';
  const turns = new TurnMemory({
    maxSize: initial.toolStateBytes,
    ttlMs: initial.toolStateTtlMs,
    shared: shared('turn', initial.toolStateTtlMs),
  });
  onPressure(() => turns.shrink());
  const toolOptions = {
    toolbox,
    maxRounds: () => settled().config.toolMaxRounds,
    memory: turns,
    readOpaque: unknownMembers,
    withDefaults,
    namedTaxonomy: taxonomyNamed,
    onFault: (tool: string, error: unknown) =>
      toolsLog.error('a tool failed in the gateway', { tool, error }),
  };
  const reasoningState: Stage[] = [];
  const { reasoningStateBytes: maxSize, reasoningStateTtlMs: ttlMs } = initial;
  if (maxSize > 0) {
    const states = new StateMemory({ maxSize, ttlMs, shared: shared('state', ttlMs) });
    onPressure(() => states.shrink());
    reasoningState.push(reasoningStateStage(states));
  }
  // The innermost: it counts each answer of a provider's by itself.
  const counted =
    usage === null
      ? []
      : [
          usageStage({
            ...usage,
            prices: () => settled().prices,
            usualOutput: () => settled().config.budgetOutputTokens,
            ...(metrics === null ? {} : { onUsed: usedBy(metrics, parts.onSpent) }),
          }),
        ];
  /** Each request to a provider's, as it is. */
  const attempts = [
    ...(metrics === null ? [] : [attemptMetricsStage(metrics, usage === null)]),
    tracing === null
      ? onlyIf(() => settled().config.tracesPropagate, forwardTraceStage)
      : attemptTraceStage(tracing),
  ];
  /** With a span for what a call waits for in it. */
  const spanned = (name: string, stage: Stage): Stage =>
    tracing === null ? stage : waiting(tracing, name, stage);
  const first = (kind?: 'count_tokens'): readonly Stage[] => [
    ...(audit === null ? [] : [auditStage(audit.write, kind)]),
    ...(metrics === null ? [] : [metricsStage(metrics, parts.onOver)]),
    ...(tracing === null ? [] : [requestTraceStage(tracing)]),
    logStage(log.module('calls'), kind),
    optionsStage,
    enableToolsStage({ toolbox }),
    routingStage(() => settled().router),
    hostedToolsStage({ toolbox, standIns: () => settled().config.responseHostedTools }),
  ];
  const outer = [
    preflightStage([threadsStage, responsesStage, paramsStage]),
    spanned('session', sessionStage({ leases, readOpaque: unknownMembers, namedTaxonomy: taxonomyNamed })),
    legacyFunctionsStage,
  ];
  const security = {
    policy: () => settled().security,
    ...(metrics === null
      ? {}
      : { onScreened: (mode: SecurityMode, outcome: string) => metrics.screened(mode, outcome) }),
  };
  // What is sensitive hangs on the whole conversation, and decides about everything that comes after it.
  const screened = securityStage(security);
  const screenedRounds = securityRoundsStage(security);
  /** What hangs on the route: each attempt passes them with its own. */
  const routed = [threadsStage, responsesStage, paramsStage];
  const shorter = [
    compactionStage,
    truncationStage((model) => settled().context.windowOf(model), countByTokenizer),
  ];
  const context = spanned(
    'context',
    contextStage(() => settled().context),
  );
  const kept = cache === null ? [] : [spanned('cache', cacheStage({ cache, readOpaque: unknownMembers }))];
  const letIn = spanned('limits', letInStage);
  const tools = toolsStage(toolOptions);
  const resilience = resilienceStage({ targets, origins: new Origins() });
  /** @param limiting null: nothing is limited */
  const row = (limiting: Limits | null): Handler =>
    pipeline(
      [
        ...first(),
        ...(limiting === null ? [] : [limitsStage(limiting)]),
        ...outer,
        screened,
        context,
        ...kept,
        ...(limiting === null ? [] : [letIn]),
        tools,
        screenedRounds,
        resilience,
        ...routed,
        ...shorter,
        ...reasoningState,
        ...(limiting === null ? [] : [providerLimitsStage(limiting)]),
        ...attempts,
        ...counted,
        ...(limiting === null ? [] : [admittedStage]),
        securityGuard,
      ],
      dispatch,
    );
  // A reload may begin or end what is limited.
  const limited = row(limits);
  const unlimited = row(null);
  return {
    handle: (call) => (isLimited() ? limited : unlimited)(call),
    count: pipeline(
      [
        ...first('count_tokens'),
        ...outer,
        screened,
        countedToolsStage(toolOptions),
        screenedRounds,
        ...routed,
        ...reasoningState,
        securityGuard,
      ],
      countTokens(countByTokenizer),
    ),
  };
}

/** A stage that a reload may begin or end. */
const onlyIf =
  (holds: () => boolean, stage: Stage): Stage =>
  (next) => {
    const inside = stage(next);
    return (call) => (holds() ? inside : next)(call);
  };

/** What an answer used, also one that was cut off, or that nobody is left to be told of. */
const usedBy =
  (metrics: Metrics, onSpent: CallParts['onSpent']) =>
  (call: Call, usage: Usage, pico: Pico | null): void => {
    const { provider, upstreamModel } = call.route as Route;
    const cost = pico === null ? null : usdOf(pico);
    if (cost !== null) onSpent(provider.name, cost);
    metrics.tokensUsed(
      { provider: provider.name, model: upstreamModel, operation: call.kind },
      tokensOf(usage, cost),
    );
  };
