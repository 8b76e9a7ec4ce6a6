import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { quote } from '../json.ts';

/** Anthropic's words. Other providers use some of them in the same meaning. */
const words: ReadonlySet<string> = new Set([
  'end_turn',
  'max_tokens',
  'stop_sequence',
  'tool_use',
  'pause_turn',
  'refusal',
  'model_context_window_exceeded',
]);

/** What is known of an answer's end. */
export interface Ending {
  readonly finishReason: FinishReason;
  readonly nativeFinishReason: string;
  /** The answer has a refusal in it. */
  readonly refused: boolean;
  /** The answer is Anthropic's, so that an unknown word of the provider's is one of this dialect. */
  readonly own: boolean;
}

/** `stop_reason` as JSON text; null for an answer of which it is not known why it ended. */
export function encodeStopReason({ finishReason, nativeFinishReason, refused, own }: Ending): string {
  const calls = finishReason === FinishReason.TOOL_CALLS || finishReason === FinishReason.FUNCTION_CALL;
  // Some servers say that a turn is over when tools are called; clients would not run them.
  if (calls && (!own || nativeFinishReason === 'end_turn')) return '"tool_use"';
  if (nativeFinishReason !== '' && (own || words.has(nativeFinishReason))) return quote(nativeFinishReason);
  switch (finishReason) {
    case FinishReason.TOOL_CALLS:
    case FinishReason.FUNCTION_CALL:
      return '"tool_use"';
    case FinishReason.STOP:
      return refused ? '"refusal"' : '"end_turn"';
    case FinishReason.LENGTH:
      return '"max_tokens"';
    case FinishReason.CONTENT_FILTER:
      return '"refusal"';
    default:
      return 'null';
  }
}
