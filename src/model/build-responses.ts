// Messages of the responses API as plain literals: see build.ts.
import type {
  Item,
  ItemReference,
  ReasoningItem,
  ResponseParameters,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';

/** ResponseStatus.UNSPECIFIED. */
const unspecified: ResponseStatus = 0;

export const item = (id: string, kind: Item['kind'], status: ResponseStatus = unspecified): Item => ({
  $typeName: 'llmgateway.v1.Item',
  id,
  status,
  kind,
});

export const reasoningItem = (
  parts: ReasoningItem['parts'],
  encryptedContent = '',
  shownAsSummary = false,
): ReasoningItem => ({
  $typeName: 'llmgateway.v1.ReasoningItem',
  parts,
  encryptedContent,
  shownAsSummary,
});

export const itemReference = (id: string): ItemReference => ({
  $typeName: 'llmgateway.v1.ItemReference',
  id,
});

export const responseParameters = (model: string, input: Item[]): ResponseParameters => ({
  $typeName: 'llmgateway.v1.ResponseParameters',
  model,
  input,
  instructions: '',
  tools: [],
  previousResponseId: '',
  conversationId: '',
  background: false,
  include: [],
  reasoningSummary: '',
  truncation: '',
  promptJson: '',
});
