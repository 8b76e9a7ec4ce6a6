import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type Conversation,
  ConversationSchema,
  type Item,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import { conversationNotFound, itemNotFound, tooLarge } from './errors.ts';
import { isConversationId, newConversationId, newItemId } from './ids.ts';
import { decodeItems, encodeItems } from './items.ts';
import type { Page, PageQuery } from './page.ts';
import type { ConversationFacts, ConversationItem, ResponseStore } from './store.ts';
import { withIds } from './with-ids.ts';

/** What holds for conversations. Read anew for each. */
export interface ConversationTerms {
  /** Life of a conversation, in milliseconds; use does not lengthen it. */
  readonly ttlMs: number;
  /** Bound of a conversation, in bytes. */
  readonly maxBytes: number;
}

type Metadata = Readonly<Record<string, string>>;

/** Conversations: chains of items that responses add to. Rejects with GatewayError. */
export class Conversations {
  readonly #store: ResponseStore;
  readonly #terms: () => ConversationTerms;

  constructor(store: ResponseStore, terms: () => ConversationTerms) {
    this.#store = store;
    this.#terms = terms;
  }

  async create(tenant: string, metadata: Metadata, items: readonly Item[]): Promise<Conversation> {
    const { ttlMs, maxBytes } = this.#terms();
    const nowUs = Date.now() * 1_000;
    const facts: ConversationFacts = {
      id: newConversationId(),
      createdUs: nowUs,
      expiresUs: nowUs + ttlMs * 1_000,
      metadataJson: JSON.stringify(metadata),
    };
    const stored = storedItems(withIds(items, newItemId));
    let bytes = facts.metadataJson.length;
    for (const { body } of stored) bytes += body.length;
    if (bytes > maxBytes) throw tooLarge('the conversation', maxBytes);
    await this.#store.createConversation(tenant, facts, stored);
    return conversationOf(facts);
  }

  async get(tenant: string, id: string): Promise<Conversation> {
    const facts = isConversationId(id) ? await this.#store.readConversation(tenant, id) : null;
    if (facts === null) throw conversationNotFound(id, 'conversation_id');
    return conversationOf(facts);
  }

  async update(tenant: string, id: string, metadata: Metadata): Promise<Conversation> {
    const updated =
      isConversationId(id) && (await this.#store.updateConversation(tenant, id, JSON.stringify(metadata)));
    if (!updated) throw conversationNotFound(id, 'conversation_id');
    return this.get(tenant, id);
  }

  async delete(tenant: string, id: string): Promise<void> {
    const deleted = isConversationId(id) && (await this.#store.deleteConversation(tenant, id));
    if (!deleted) throw conversationNotFound(id, 'conversation_id');
  }

  /** @returns the items as they are kept, each with an id */
  async addItems(tenant: string, id: string, items: readonly Item[]): Promise<Item[]> {
    await this.get(tenant, id);
    const kept = withIds(items, newItemId);
    await addToConversation(this.#store, tenant, id, kept, this.#terms().maxBytes);
    return kept;
  }

  async listItems(tenant: string, id: string, query: PageQuery, field: string): Promise<Page> {
    await this.get(tenant, id);
    const page = await this.#store.listItems(tenant, id, query);
    if (page === null) throw invalidRequest(field, `Invalid '${field}': there is no such item.`);
    return { items: decodeItems(page.items.map(({ body }) => body)), hasMore: page.hasMore };
  }

  async getItem(tenant: string, id: string, itemId: string): Promise<Item> {
    const item = isConversationId(id) ? await this.#store.readItem(tenant, id, itemId) : null;
    const [found] = item === null ? [] : decodeItems([item.body]);
    if (found === undefined) throw itemNotFound(itemId, 'item_id');
    return found;
  }

  async deleteItem(tenant: string, id: string, itemId: string): Promise<Conversation> {
    const conversation = await this.get(tenant, id);
    if (!(await this.#store.deleteItem(tenant, id, itemId))) throw itemNotFound(itemId, 'item_id');
    return conversation;
  }
}

const conversationOf = ({ id, createdUs, metadataJson }: ConversationFacts): Conversation =>
  create(ConversationSchema, {
    id,
    createdAt: Math.floor(createdUs / 1e6),
    metadata: JSON.parse(metadataJson) as Record<string, string>,
  });

function storedItems(items: readonly Item[]): ConversationItem[] {
  const bodies = encodeItems(items);
  return items.map(({ id }, i) => ({ id, body: bodies[i] as Uint8Array }));
}

/**
 * Adds a turn to a conversation, whole. Every item has an id.
 * @throws GatewayError NOT_FOUND, ALREADY_EXISTS, REQUEST_TOO_LARGE, DEPENDENCY_UNAVAILABLE
 */
export async function addToConversation(
  store: ResponseStore,
  tenant: string,
  id: string,
  items: readonly Item[],
  maxBytes: number,
): Promise<void> {
  if (items.length === 0) return;
  const ids = new Set(items.map((item) => item.id));
  if (ids.size < items.length) {
    throw new GatewayError(ErrorReason.ALREADY_EXISTS, 'two items have the same id', { field: 'items' });
  }
  const result = await store.addItems(tenant, id, { items: storedItems(items), maxBytes, after: null });
  if (result === 'gone' || result === 'lost') throw conversationNotFound(id, 'conversation');
  if (result === 'full') throw tooLarge(`the conversation ${id}`, maxBytes);
}
