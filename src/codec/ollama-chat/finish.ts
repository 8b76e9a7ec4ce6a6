import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';

export interface Finish {
  readonly reason: FinishReason;
  /** Ollama's own word, where OpenAI's says something else. */
  readonly native: string;
}

/**
 * Why an answer ended. Ollama says `stop` for tool calls, too, `load` and `unload` when a request without messages only loaded
 * the model or let go of it, and older versions nothing at all beside `done`.
 */
export function decodeFinish(word: unknown, hasToolCalls: boolean): Finish {
  const given = typeof word === 'string' ? word : '';
  if (given === 'length') return { reason: FinishReason.LENGTH, native: '' };
  if (hasToolCalls) return { reason: FinishReason.TOOL_CALLS, native: given };
  return { reason: FinishReason.STOP, native: given === 'stop' ? '' : given };
}
