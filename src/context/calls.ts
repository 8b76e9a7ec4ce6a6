import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { unknownMembers } from '../codec/unknown-members.ts';
import type { Config } from '../config/load.ts';
import { SharedMemory } from '../memory/shared-memory.ts';
import type { MemoStore } from '../memory/store.ts';
import type { Logger } from '../observability/log.ts';
import { type Handler, pipeline } from '../pipeline/call.ts';
import { compactionStage } from '../pipeline/compaction.ts';
import { contextStage } from '../pipeline/context.ts';
import { countTokens } from '../pipeline/count-tokens.ts';
import { dispatch } from '../pipeline/dispatch.ts';
import { enableToolsStage } from '../pipeline/enable-tools.ts';
import { hostedToolsStage } from '../pipeline/hosted-tools.ts';
import { legacyFunctionsStage } from '../pipeline/legacy-functions.ts';
import { logStage } from '../pipeline/log.ts';
import { optionsStage } from '../pipeline/options.ts';
import { paramsStage } from '../pipeline/params.ts';
import { preflightStage } from '../pipeline/preflight.ts';
import { reasoningStateStage } from '../pipeline/reasoning-state.ts';
import { resilienceStage } from '../pipeline/resilience.ts';
import { responsesStage } from '../pipeline/responses.ts';
import { routingStage } from '../pipeline/routing.ts';
import { sessionStage } from '../pipeline/session.ts';
import { threadsStage } from '../pipeline/threads.ts';
import { countedToolsStage, toolsStage } from '../pipeline/tools.ts';
import { truncationStage } from '../pipeline/truncation.ts';
import { usageStage } from '../pipeline/usage.ts';
import { StateMemory } from '../reasoning/state-memory.ts';
import { Origins } from '../resilience/origins.ts';
import type { Targets } from '../resilience/targets.ts';
import type { Leases } from '../sessions/leases.ts';
import { countTokens as countByTokenizer } from '../tokens/count-tokens.ts';
import { namedTaxonomy, withDefaults } from '../tools/taxonomy.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { TurnMemory } from '../tools/turn-memory.ts';
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
  /** What is remembered of providers. */
  readonly targets: Targets;
  readonly log: Logger;
}

/** The row of stages that every call passes. The order matters: each stage sees the call as those before it have left it. */
export function createCalls({ initial, settled, leases, memos, toolbox, usage, targets, log }: CallParts): {
  /** Answers calls. */
  readonly handle: Handler;
  /** Answers calls that only count tokens. */
  readonly count: Handler;
} {
  const toolsLog = log.module('tools');
  const shared = (kind: string, ttlMs: number): SharedMemory | null =>
    memos === null ? null : new SharedMemory({ store: memos, kind, ttlMs });
  const taxonomyNamed = (messages: readonly Message[]): string => namedTaxonomy(messages) ?? '';
  const toolOptions = {
    toolbox,
    maxRounds: () => settled().config.toolMaxRounds,
    memory: new TurnMemory({
      maxSize: initial.toolStateBytes,
      ttlMs: initial.toolStateTtlMs,
      shared: shared('turn', initial.toolStateTtlMs),
    }),
    readOpaque: unknownMembers,
    withDefaults,
    namedTaxonomy: taxonomyNamed,
    onFault: (tool: string, error: unknown) =>
      toolsLog.error('a tool failed in the gateway', { tool, error }),
  };
  const { reasoningStateBytes: maxSize, reasoningStateTtlMs: ttlMs } = initial;
  const reasoningState =
    maxSize > 0
      ? [reasoningStateStage(new StateMemory({ maxSize, ttlMs, shared: shared('state', ttlMs) }))]
      : [];
  // The innermost: it counts each answer of a provider's by itself.
  const counted =
    usage === null
      ? []
      : [
          usageStage({
            ...usage,
            prices: () => settled().prices,
            usualOutput: () => settled().config.budgetOutputTokens,
          }),
        ];
  const outer = [
    logStage(log.module('calls')),
    optionsStage,
    enableToolsStage({ toolbox }),
    routingStage(() => settled().router),
    hostedToolsStage({ toolbox, standIns: () => settled().config.responseHostedTools }),
    preflightStage([threadsStage, responsesStage, paramsStage]),
    sessionStage({ leases, readOpaque: unknownMembers, namedTaxonomy: taxonomyNamed }),
    legacyFunctionsStage,
  ];
  /** What hangs on the route: each attempt passes them with its own. */
  const routed = [threadsStage, responsesStage, paramsStage];
  const shorter = [
    compactionStage,
    truncationStage((model) => settled().context.windowOf(model), countByTokenizer),
  ];
  return {
    handle: pipeline(
      [
        ...outer,
        contextStage(() => settled().context),
        toolsStage(toolOptions),
        resilienceStage({ targets, origins: new Origins() }),
        ...routed,
        ...shorter,
        ...reasoningState,
        ...counted,
      ],
      dispatch,
    ),
    count: pipeline(
      [...outer, countedToolsStage(toolOptions), ...routed, ...reasoningState],
      countTokens(countByTokenizer),
    ),
  };
}
