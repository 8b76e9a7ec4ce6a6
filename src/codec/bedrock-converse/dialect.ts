/** Name of this dialect in `extras`, opaque parts and opaque events: Amazon Bedrock's Converse and ConverseStream. */
export const dialectName = 'aws.converse';

/** Whose state the signatures of Claude's reasoning are, on whatever host it runs. */
export const claudeReasoning = 'anthropic-claude-v1';
/** State of the reasoning of Bedrock's other models. */
export const otherReasoning = 'aws-converse-v1';
