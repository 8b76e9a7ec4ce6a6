import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { unknownMembers } from '../codec/unknown-members.ts';
import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import { type Handler, pipeline } from '../pipeline/call.ts';
import { contextStage } from '../pipeline/context.ts';
import { countTokens } from '../pipeline/count-tokens.ts';
import { dispatch } from '../pipeline/dispatch.ts';
import { enableToolsStage } from '../pipeline/enable-tools.ts';
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
  readonly toolbox: Toolbox;
  /** Null: nothing is counted. */
  readonly usage: UsageParts | null;
  /** What is remembered of providers. */
  readonly targets: Targets;
  /** Told how what is remembered is made smaller when memory is short. */
  readonly onPressure: (shrink: () => void) => void;
  readonly log: Logger;
}

/** The row of stages that every call passes. The order matters: each stage sees the call as those before it have left it. */
export function createCalls(parts: CallParts): {
  /** Answers calls. */
  readonly handle: Handler;
  /** Answers calls that only count tokens. */
  readonly count: Handler;
} {
  const { initial, settled, leases, toolbox, usage, targets, onPressure, log } = parts;
  const toolsLog = log.module('tools');
  const taxonomyNamed = (messages: readonly Message[]): string => namedTaxonomy(messages) ?? '';
  const turns = new TurnMemory({ maxSize: initial.toolStateBytes, ttlMs: initial.toolStateTtlMs });
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
  const { reasoningStateBytes: maxSize, reasoningStateTtlMs: ttlMs } = initial;
  const states = new StateMemory({ maxSize: Math.max(maxSize, 1), ttlMs });
  onPressure(() => states.shrink());
  const reasoningState = maxSize > 0 ? [reasoningStateStage(states)] : [];
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
    preflightStage([threadsStage, paramsStage, responsesStage]),
    sessionStage({ leases, readOpaque: unknownMembers, namedTaxonomy: taxonomyNamed }),
    legacyFunctionsStage,
  ];
  /** What hangs on the route: each attempt passes them with its own. */
  const routed = [threadsStage, paramsStage, responsesStage, ...reasoningState];
  return {
    handle: pipeline(
      [
        ...outer,
        contextStage(() => settled().context),
        toolsStage(toolOptions),
        resilienceStage({ targets, origins: new Origins() }),
        ...routed,
        ...counted,
      ],
      dispatch,
    ),
    count: pipeline([...outer, countedToolsStage(toolOptions), ...routed], countTokens(countByTokenizer)),
  };
}
