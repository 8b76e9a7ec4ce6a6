import type { ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';

/**
 * The events of a response as they come, in batches that are never empty. Pulling the next batch is what lets the work go on, where it
 * depends on its client; `return()` says that nobody wants more. A failure is thrown by `next()`; nothing follows it.
 */
export interface ResponseEventStream {
  next(): Promise<IteratorResult<readonly ResponseEvent[], undefined>>;
  return(): Promise<IteratorResult<readonly ResponseEvent[], undefined>>;
}

export const endOfResponse: IteratorResult<readonly ResponseEvent[], undefined> = {
  done: true,
  value: undefined,
};
