/** Name of this dialect in `extras`, opaque parts and opaque events. */
export const dialectName = 'openai.responses';

/** ReasoningPart.format of reasoning whose encrypted content is OpenAI's, or of a provider with the same API. */
export const stateFormat = 'openai-responses-v1';

/** The same of a provider that is not OpenAI: what is encrypted there nobody else can read. */
export const stateFormatOf = (provider: string): string =>
  provider === 'openai' ? stateFormat : `${provider}-responses-v1`;

const gatewayItemId = /^[a-z]+_(?:[0-9a-f]{32}|[0-9a-f]{36})$/;

/** Whether an item's id can be one that the gateway gave: its provider does not know it. */
export const isGatewayItemId = (id: string): boolean => gatewayItemId.test(id);

/** Who ran the tool, in items that tell of the gateway's own tools. */
export const gatewayLabel = 'llm-gateway';
