/** Name of this dialect in `extras`, opaque parts and opaque events. */
export const dialectName = 'openai.responses';

/** ReasoningPart.format of reasoning whose encrypted content is OpenAI's, or of a provider with the same API. */
export const stateFormat = 'openai-responses-v1';

/** Who ran the tool, in items that tell of the gateway's own tools. */
export const gatewayLabel = 'llm-gateway';
