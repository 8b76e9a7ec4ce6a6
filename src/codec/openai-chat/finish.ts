import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';

/** OpenAI's words, and those that providers of its form use instead, in lower case. */
const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ['stop', FinishReason.STOP],
  ['length', FinishReason.LENGTH],
  ['tool_calls', FinishReason.TOOL_CALLS],
  ['content_filter', FinishReason.CONTENT_FILTER],
  ['function_call', FinishReason.FUNCTION_CALL],
  ['max_tokens', FinishReason.LENGTH],
  ['model_length', FinishReason.LENGTH],
  ['tool_use', FinishReason.TOOL_CALLS],
  ['tool_call', FinishReason.TOOL_CALLS],
  ['safety', FinishReason.CONTENT_FILTER],
  ['sensitive', FinishReason.CONTENT_FILTER],
]);

/** Words of an answer that the provider could not complete: DeepSeek's second one is for its lack of resources. */
export const isFailure = (word: unknown): boolean =>
  word === 'error' || word === 'insufficient_system_resource';

const names = [null, 'stop', 'length', 'tool_calls', 'content_filter', 'function_call'] as const;

export interface Finish {
  readonly reason: FinishReason;
  readonly native: string;
}

/**
 * Why an answer ended. An answer with tool calls that stopped has stopped for them, whatever the provider says. An unknown
 * word is kept as the provider's own.
 */
export function decodeFinish(word: string, nativeWord: unknown, hasToolCalls: boolean): Finish {
  const known = reasons.get(word.toLowerCase());
  let reason = known ?? FinishReason.STOP;
  let native = typeof nativeWord === 'string' ? nativeWord : '';
  if (native === '' && (known === undefined || names[known] !== word)) native = word;
  if (reason === FinishReason.STOP && hasToolCalls) {
    reason = FinishReason.TOOL_CALLS;
    if (native === '') native = word;
  }
  return { reason, native };
}

/** OpenAI's word as JSON text. */
export const encodeFinish = (reason: FinishReason): string => {
  const name = names[reason];
  return name === null || name === undefined ? 'null' : `"${name}"`;
};
