import type { Item } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { conversationNotFound, tooLarge } from './errors.ts';
import { encodeItems } from './items.ts';
import type { ResponseStore } from './store.ts';

/**
 * Adds a turn to a conversation, whole. Every item has an id.
 * @throws GatewayError NOT_FOUND, REQUEST_TOO_LARGE, DEPENDENCY_UNAVAILABLE
 */
export async function addToConversation(
  store: ResponseStore,
  tenant: string,
  id: string,
  items: readonly Item[],
  maxBytes: number,
): Promise<void> {
  if (items.length === 0) return;
  const bodies = encodeItems(items);
  const result = await store.addItems(tenant, id, {
    items: items.map((item, i) => ({ id: item.id, body: bodies[i] as Uint8Array })),
    maxBytes,
    after: null,
  });
  if (result === 'gone' || result === 'lost') throw conversationNotFound(id, 'conversation');
  if (result === 'full') throw tooLarge(`the conversation ${id}`, maxBytes);
}
