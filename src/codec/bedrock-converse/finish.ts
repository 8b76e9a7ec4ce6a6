import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';

/** Converse's words. Source: `stopReason` in the API reference of Converse. */
const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ['end_turn', FinishReason.STOP],
  ['stop_sequence', FinishReason.STOP],
  ['tool_use', FinishReason.TOOL_CALLS],
  ['max_tokens', FinishReason.LENGTH],
  ['model_context_window_exceeded', FinishReason.LENGTH],
  ['guardrail_intervened', FinishReason.CONTENT_FILTER],
  ['content_filtered', FinishReason.CONTENT_FILTER],
]);

/** Words of an answer that the model made a mess of. */
export const isFailure = (word: unknown): word is string =>
  word === 'malformed_model_output' || word === 'malformed_tool_use';

/**
 * Why an answer ended. The provider's own word is kept by the caller, for none of them is OpenAI's. An answer with tool calls that stopped has
 * stopped for them; one whose only calls were run by the provider itself has none to answer.
 */
export function decodeFinish(word: string, hasToolCalls: boolean): FinishReason {
  const reason = reasons.get(word) ?? FinishReason.STOP;
  if (reason !== FinishReason.STOP && reason !== FinishReason.TOOL_CALLS) return reason;
  return hasToolCalls ? FinishReason.TOOL_CALLS : FinishReason.STOP;
}
