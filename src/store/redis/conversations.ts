import type {
  ConversationFacts,
  ConversationItem,
  ItemAppend,
  ItemQuery,
  ItemQueryResult,
} from '../../responses/store.ts';
import { pack, unpack } from '../packed.ts';
import type { Argument, RedisConnection, Script } from './connection.ts';
import * as scripts from './conversation-scripts.ts';
import { tag } from './open-index.ts';

/** Conversations in Redis. The keys of one have the tenant and its id as their hash tag. */
export class RedisConversations {
  readonly #redis: RedisConnection;
  readonly #nowUs: () => number;

  constructor(redis: RedisConnection, nowUs: () => number) {
    this.#redis = redis;
    this.#nowUs = nowUs;
  }

  async createConversation(
    tenant: string,
    { id, createdUs, expiresUs, metadataJson }: ConversationFacts,
    items: readonly ConversationItem[],
  ): Promise<void> {
    const args = [createdUs, expiresUs, metadataJson, ...(await packItems(items))];
    await this.#run(scripts.create, tenant, id, args);
  }

  async readConversation(tenant: string, id: string): Promise<ConversationFacts | null> {
    const reply = (await this.#run(scripts.read, tenant, id)) as Buffer[] | null;
    if (reply === null) return null;
    const [created, expires, metadata] = reply;
    return {
      id,
      createdUs: Number(created),
      expiresUs: Number(expires),
      metadataJson: String(metadata),
    };
  }

  async updateConversation(tenant: string, id: string, metadataJson: string): Promise<boolean> {
    return (await this.#run(scripts.update, tenant, id, [metadataJson])) === 1;
  }

  async deleteConversation(tenant: string, id: string): Promise<boolean> {
    return (await this.#run(scripts.remove, tenant, id)) === 1;
  }

  async conversationItems(tenant: string, id: string): Promise<readonly ConversationItem[] | null> {
    const reply = (await this.#run(scripts.all, tenant, id)) as Buffer[] | null;
    return reply === null ? null : unpackItems(reply);
  }

  async listItems(
    tenant: string,
    id: string,
    { limit, after, ascending }: ItemQuery,
  ): Promise<ItemQueryResult | null> {
    const args = [limit, after, ascending ? 1 : 0];
    const reply = (await this.#run(scripts.list, tenant, id, args)) as Buffer[] | null;
    if (reply === null) return null;
    const [more, ...items] = reply;
    return { items: await unpackItems(items), hasMore: String(more) === '1' };
  }

  async readItem(tenant: string, id: string, itemId: string): Promise<ConversationItem | null> {
    const packed = (await this.#run(scripts.readItem, tenant, id, [itemId])) as Buffer | null;
    return packed === null ? null : { id: itemId, body: await unpack(packed) };
  }

  async addItems(
    tenant: string,
    id: string,
    { items, maxBytes, after }: ItemAppend,
  ): Promise<'saved' | 'gone' | 'lost' | 'full'> {
    const args = [maxBytes, after ?? '', ...(await packItems(items))];
    return String(await this.#run(scripts.append, tenant, id, args)) as 'saved' | 'gone' | 'lost' | 'full';
  }

  async deleteItem(tenant: string, id: string, itemId: string): Promise<boolean> {
    return (await this.#run(scripts.removeItem, tenant, id, [itemId])) === 1;
  }

  #run(what: Script, tenant: string, id: string, args: readonly Argument[] = []): Promise<unknown> {
    return this.#redis.run(what, keysOf(tenant, id), [this.#nowUs(), ...args]);
  }
}

const keysOf = (tenant: string, id: string): string[] => {
  const conversation = `llmgateway:conversation:{${tag(tenant)}/${id}}`;
  return [conversation, `${conversation}:items`, `${conversation}:order`];
};

/** Ids and packed bodies in turn. */
const packItems = async (items: readonly ConversationItem[]): Promise<Argument[]> =>
  (await Promise.all(items.map(async ({ id, body }) => [id, await pack(body)]))).flat();

const unpackItems = (reply: readonly Buffer[]): Promise<ConversationItem[]> =>
  Promise.all(
    Array.from({ length: reply.length / 2 }, async (_, i) => ({
      id: String(reply[2 * i]),
      body: await unpack(reply[2 * i + 1] as Buffer),
    })),
  );
