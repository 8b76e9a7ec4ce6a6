import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { unknownMembers } from '../codec/unknown-members.ts';
import type { Config } from '../config/load.ts';
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
import { reasoningStateStage } from '../pipeline/reasoning-state.ts';
import { responsesStage } from '../pipeline/responses.ts';
import { routingStage } from '../pipeline/routing.ts';
import { sessionStage } from '../pipeline/session.ts';
import { threadsStage } from '../pipeline/threads.ts';
import { countedToolsStage, toolsStage } from '../pipeline/tools.ts';
import { truncationStage } from '../pipeline/truncation.ts';
import { StateMemory } from '../reasoning/state-memory.ts';
import type { Leases } from '../sessions/leases.ts';
import { countTokens as countByTokenizer } from '../tokens/count-tokens.ts';
import { namedTaxonomy, withDefaults } from '../tools/taxonomy.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { TurnMemory } from '../tools/turn-memory.ts';
import type { Settled } from './settled.ts';

export interface CallParts {
  readonly initial: Config;
  readonly settled: () => Settled;
  readonly leases: Leases;
  readonly toolbox: Toolbox;
  readonly tenantOf: () => string;
  readonly log: Logger;
}

/** The row of stages that every call passes. The order matters: each stage sees the call as those before it have left it. */
export function createCalls({ initial, settled, leases, toolbox, tenantOf, log }: CallParts): {
  /** Answers calls. */
  readonly handle: Handler;
  /** Answers calls that only count tokens. */
  readonly count: Handler;
} {
  const toolsLog = log.module('tools');
  const taxonomyNamed = (messages: readonly Message[]): string => namedTaxonomy(messages) ?? '';
  const toolOptions = {
    toolbox,
    tenantOf,
    maxRounds: () => settled().config.toolMaxRounds,
    memory: new TurnMemory({ maxSize: initial.toolStateBytes, ttlMs: initial.toolStateTtlMs }),
    readOpaque: unknownMembers,
    withDefaults,
    namedTaxonomy: taxonomyNamed,
    onFault: (tool: string, error: unknown) =>
      toolsLog.error('a tool failed in the gateway', { tool, error }),
  };
  const { reasoningStateBytes: maxSize, reasoningStateTtlMs: ttlMs } = initial;
  const reasoningState = maxSize > 0 ? [reasoningStateStage(new StateMemory({ maxSize, ttlMs }))] : [];
  const stages = [
    logStage(log.module('calls')),
    optionsStage,
    enableToolsStage({ toolbox, tenantOf }),
    routingStage(() => settled().router),
    threadsStage,
    hostedToolsStage({ toolbox, tenantOf, standIns: () => settled().config.responseHostedTools }),
    responsesStage,
    paramsStage,
    sessionStage({ leases, tenantOf, readOpaque: unknownMembers, namedTaxonomy: taxonomyNamed }),
    legacyFunctionsStage,
  ];
  const shorter = [
    compactionStage,
    truncationStage((model) => settled().context.windowOf(model), countByTokenizer),
  ];
  return {
    handle: pipeline(
      [
        ...stages,
        ...shorter,
        contextStage(() => settled().context),
        toolsStage(toolOptions),
        ...reasoningState,
      ],
      dispatch,
    ),
    count: pipeline(
      [...stages, countedToolsStage(toolOptions), ...reasoningState],
      countTokens(countByTokenizer),
    ),
  };
}
