/** Name of this dialect in `extras`, opaque parts and opaque events. */
export const dialectName = 'anthropic.messages';

/** `ReasoningPart.format` of signatures and redacted thinking that Claude made, on whatever host. */
export const reasoningFormat = 'anthropic-claude-v1';
