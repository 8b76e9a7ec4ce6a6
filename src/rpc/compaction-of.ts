import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CompactResponseResponse, Item } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { itemsOf } from '../model/items.ts';
import { userMessages } from '../responses/compacted.ts';
import { newItemId, newResponseId } from '../responses/ids.ts';
import { withIds } from '../responses/with-ids.ts';

/** The items that stand for a conversation: what the user said, and what the model made of the rest. */
export function compactionOf(
  items: readonly Item[],
  { choices, usage, callReport }: CreateChatCompletionResponse,
): CompactResponseResponse {
  const message = choices[0]?.message;
  const summary = message === undefined ? [] : itemsOf([message]);
  return {
    $typeName: 'llmgateway.v1.CompactResponseResponse',
    id: newResponseId(),
    createdAt: Math.floor(Date.now() / 1_000),
    output: withIds([...userMessages(items), ...summary], newItemId),
    ...(usage === undefined ? {} : { usage }),
    ...(callReport === undefined ? {} : { callReport }),
  };
}
