import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import { Admission, type AdmissionLimits } from '../overload/admission.ts';
import { boundedByContainer, MemoryWatch, mebibytes } from '../overload/memory.ts';
import type { Settled } from './settled.ts';

/** What keeps the gateway from taking on too much. */
export interface OverloadParts {
  readonly memory: MemoryWatch;
  readonly admission: Admission;
  /** Headers of REST replies; undefined when they are switched off. */
  readonly loadHeaders: (() => Readonly<Record<string, string>>) | undefined;
}

/** @param processes that share a container's memory */
export function createOverload(
  initial: Config,
  settled: () => Settled,
  processes: number,
  log: Logger,
): OverloadParts {
  const container = process.constrainedMemory() / processes;
  const memory = new MemoryWatch({
    bounds: () => {
      const { memoryThresholdMb, memorySoftShare: softShare } = settled().config;
      return { hardBytes: boundedByContainer(memoryThresholdMb * 2 ** 20, container), softShare };
    },
    log,
  });
  // Asked with every call.
  let limits = limitsOf(initial);
  let from = initial;
  const admission = new Admission({
    limits: () => {
      const { config } = settled();
      if (from !== config) limits = limitsOf(config);
      from = config;
      return limits;
    },
    memory,
    log,
  });
  const loadHeaders = (): Readonly<Record<string, string>> => ({
    'x-memory-rss-mb': String(mebibytes(memory.state.rss)),
    'x-memory-pressure': memory.pressure,
    'x-active-requests': String(admission.active),
  });
  return { memory, admission, loadHeaders: initial.loadHeaders ? loadHeaders : undefined };
}

const limitsOf = (config: Config): AdmissionLimits => ({
  maxConcurrent: config.maxConcurrentRequests,
  maxWaiting: config.queueSize,
  maxWaitMs: config.queueTimeoutMs,
  maxBodyBytes: config.maxBodyBytesInFlight,
  warnAt: config.queueWarningThreshold,
});
