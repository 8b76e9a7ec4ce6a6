/** Name of this dialect in `extras`, opaque parts and opaque events: Amazon Bedrock's Converse and ConverseStream. */
export const dialectName = 'aws.converse';

/** State of the reasoning of Bedrock's other models. */
export const otherReasoning = 'aws-converse-v1';
