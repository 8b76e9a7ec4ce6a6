import type { StopReason } from '@anthropic-ai/sdk/resources/messages';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';

const meanings: Readonly<Record<StopReason, FinishReason>> = {
  end_turn: FinishReason.STOP,
  stop_sequence: FinishReason.STOP,
  // A long turn of server tools: the client sends it back for the model to go on.
  pause_turn: FinishReason.STOP,
  max_tokens: FinishReason.LENGTH,
  model_context_window_exceeded: FinishReason.LENGTH,
  tool_use: FinishReason.TOOL_CALLS,
  refusal: FinishReason.CONTENT_FILTER,
};

/** A map, because the words are the provider's: an object knows "constructor", too. */
const reasons: ReadonlyMap<string, FinishReason> = new Map(Object.entries(meanings));

/**
 * Why an answer ended. An answer with tool calls that stopped has stopped for them, whatever the provider says; an unknown word
 * is a stop.
 * @param word `stop_reason`; anything but a word when the provider does not say
 */
export function decodeStopReason(word: unknown, hasToolCalls: boolean): FinishReason {
  if (typeof word !== 'string' || word === '') {
    return hasToolCalls ? FinishReason.TOOL_CALLS : FinishReason.UNSPECIFIED;
  }
  const reason = reasons.get(word) ?? FinishReason.STOP;
  return reason === FinishReason.STOP && hasToolCalls ? FinishReason.TOOL_CALLS : reason;
}
