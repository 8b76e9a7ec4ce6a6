import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';

/** Gemini's words. Source: the SDK's FinishReason, and Vertex AI's. */
const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ['STOP', FinishReason.STOP],
  ['MAX_TOKENS', FinishReason.LENGTH],
  ['SAFETY', FinishReason.CONTENT_FILTER],
  ['RECITATION', FinishReason.CONTENT_FILTER],
  ['LANGUAGE', FinishReason.CONTENT_FILTER],
  ['BLOCKLIST', FinishReason.CONTENT_FILTER],
  ['PROHIBITED_CONTENT', FinishReason.CONTENT_FILTER],
  ['SPII', FinishReason.CONTENT_FILTER],
  ['MODEL_ARMOR', FinishReason.CONTENT_FILTER],
  ['IMAGE_SAFETY', FinishReason.CONTENT_FILTER],
  ['IMAGE_PROHIBITED_CONTENT', FinishReason.CONTENT_FILTER],
  ['IMAGE_RECITATION', FinishReason.CONTENT_FILTER],
]);

/**
 * Words of an answer that the model did not bring about: another try may do better. TOO_MANY_TOOL_CALLS, OTHER and what is not
 * known end an answer that stands as it is.
 */
const failures: ReadonlySet<string> = new Set([
  'MALFORMED_FUNCTION_CALL',
  'MALFORMED_RESPONSE',
  'UNEXPECTED_TOOL_CALL',
  'MISSING_THOUGHT_SIGNATURE',
]);

export const isFailure = (word: string): boolean => failures.has(word);

export interface Finish {
  readonly reason: FinishReason;
  readonly native: string;
}

/** Why an answer ended. Gemini has no word for a tool call: an answer with calls that stopped has stopped for them. */
export function decodeFinish(word: string, hasToolCalls: boolean): Finish {
  const reason = reasons.get(word) ?? FinishReason.STOP;
  if (reason === FinishReason.STOP && hasToolCalls) return { reason: FinishReason.TOOL_CALLS, native: word };
  return { reason, native: word === 'STOP' ? '' : word };
}
