import { setTimeout as sleep } from 'node:timers/promises';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';

/** How long a response that is being made waits for a store that is out of reach, in milliseconds; never longer than its lease. */
export const patienceMs = 5_000;
/** Time until a step is tried again, in milliseconds: the least, and the most. */
const pauseMs = [50, 500] as const;

/** Whether the store was out of reach, so that nobody knows what became of a step. */
export const isOutage = (error: unknown): boolean =>
  error instanceof GatewayError && error.reason === ErrorReason.DEPENDENCY_UNAVAILABLE;

/**
 * Takes a step of the store's again and again while it is out of reach. Only for steps that may be repeated.
 * @param forMs how long @param signal ends the waiting, with its reason
 * @throws what the step fails with, the last time
 */
export async function persist<T>(step: () => Promise<T>, forMs: number, signal?: AbortSignal): Promise<T> {
  const until = performance.now() + forMs;
  for (let pause: number = pauseMs[0]; ; pause = Math.min(pause * 2, pauseMs[1])) {
    try {
      return await step();
    } catch (error) {
      if (!isOutage(error) || performance.now() + pause > until) throw error;
    }
    const wait = sleep(pause, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
    await wait.catch(() => {});
    if (signal?.aborted) throw signal.reason;
  }
}
