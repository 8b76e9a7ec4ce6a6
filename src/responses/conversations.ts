import { create } from '@bufbuild/protobuf';
import {
  type Conversation,
  ConversationSchema,
  type Item,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import { conversationNotFound, itemNotFound, tooLarge } from './errors.ts';
import { isConversationId, newConversationId, newItemId } from './ids.ts';
import { decodeItems, encodeItems } from './items.ts';
import type { Page, PageQuery } from './page.ts';
import { persist } from './persist.ts';
import type { ConversationFacts, ConversationItem, ResponseStore } from './store.ts';
import { isSame, renamed, withDistinctIds, withIds } from './with-ids.ts';

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
    const stored = storedItems(withDistinctIds(withIds(items, newItemId), newItemId));
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
    const turn = { given: withIds(items, newItemId), made: [] };
    const { maxBytes } = this.#terms();
    return addToConversation(this.#store, tenant, id, turn, { maxBytes, patienceMs: 0 });
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

/** What is added to a conversation. Every item has an id. */
interface Turn {
  /** Of the client: what is there already, just so, is not added again. */
  readonly given: readonly Item[];
  /** Of the model: what is there already was said another time. */
  readonly made: readonly Item[];
}

/**
 * Adds a turn to a conversation, whole. An item whose id another one has gets a new id.
 * @param patienceMs how long to wait for a store that is out of reach
 * @returns the items as they are kept
 * @throws GatewayError NOT_FOUND, REQUEST_TOO_LARGE, DEPENDENCY_UNAVAILABLE
 */
export async function addToConversation(
  store: ResponseStore,
  tenant: string,
  id: string,
  { given, made }: Turn,
  { maxBytes, patienceMs }: { readonly maxBytes: number; readonly patienceMs: number },
): Promise<Item[]> {
  let kept = withDistinctIds([...given, ...made], newItemId);
  let added = kept;
  while (added.length > 0) {
    const what = { items: storedItems(added), maxBytes, after: null };
    const result = await persist(() => store.addItems(tenant, id, what), patienceMs);
    if (result === 'saved') break;
    if (result === 'gone') throw conversationNotFound(id, 'conversation');
    if (result === 'full') throw tooLarge(`the conversation ${id}`, maxBytes);
    const there = await persist(() => store.conversationItems(tenant, id), patienceMs);
    if (there === null) throw conversationNotFound(id, 'conversation');
    const others = new Map(decodeItems(there.map(({ body }) => body)).map((item) => [item.id, item]));
    const isThere = kept.map((item, i) => i < given.length && isSame(item, others.get(item.id)));
    kept = kept.map((item, i) => (isThere[i] || !others.has(item.id) ? item : renamed(item, newItemId)));
    added = kept.filter((_, i) => !isThere[i]);
  }
  return kept;
}
