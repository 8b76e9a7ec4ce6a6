/** Name of this dialect in `extras`, opaque parts and opaque events. */
export const dialectName = 'anthropic.messages';

export { claudeReasoning as reasoningFormat } from '../claude-model.ts';
