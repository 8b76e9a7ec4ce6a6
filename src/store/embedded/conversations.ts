import type {
  ConversationFacts,
  ConversationItem,
  ItemAppend,
  ItemQuery,
  ItemQueryResult,
} from '../../responses/store.ts';
import { pack, packedSize, unpack } from '../packed.ts';
import type { Database, Row } from './database.ts';

/** Items of expired conversations that one statement clears away. */
const itemBatch = 5_000;
/** Expired conversations that one statement clears away. */
const sweepBatch = 200;

interface PackedItem {
  readonly id: string;
  readonly packed: Uint8Array;
}

/** Conversations in the embedded store. */
export class EmbeddedConversations {
  readonly #database: Database;
  readonly #nowUs: () => number;

  constructor(database: Database, nowUs: () => number) {
    this.#database = database;
    this.#nowUs = nowUs;
  }

  async createConversation(
    tenant: string,
    { id, createdUs, expiresUs, metadataJson }: ConversationFacts,
    items: readonly ConversationItem[],
  ): Promise<void> {
    const packed = await packItems(items);
    this.#database.transaction(() => {
      this.#database.run(
        `DELETE FROM conversations WHERE tenant = ? AND id = ? AND expires <= ?`,
        tenant,
        id,
        this.#nowUs(),
      );
      // One that is there is the same one, whose making was not heard of.
      const made = this.#database.run(
        `INSERT INTO conversations (tenant, id, created, expires, metadata, bytes) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING`,
        tenant,
        id,
        createdUs,
        expiresUs,
        metadataJson,
        Buffer.byteLength(metadataJson),
      );
      const row = made === 0 ? null : this.#find(tenant, id);
      if (row !== null) this.#add(row, packed);
    });
  }

  async readConversation(tenant: string, id: string): Promise<ConversationFacts | null> {
    const row = this.#find(tenant, id);
    if (row === null) return null;
    return {
      id,
      createdUs: row['created'] as number,
      expiresUs: row['expires'] as number,
      metadataJson: row['metadata'] as string,
    };
  }

  async updateConversation(tenant: string, id: string, metadataJson: string): Promise<boolean> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return false;
      this.#database.run(
        'UPDATE conversations SET metadata = ?, bytes = bytes + ? WHERE key = ?',
        metadataJson,
        Buffer.byteLength(metadataJson) - Buffer.byteLength(row['metadata'] as string),
        row['key'] as number,
      );
      return true;
    });
  }

  async deleteConversation(tenant: string, id: string): Promise<boolean> {
    return (
      this.#database.run(
        'DELETE FROM conversations WHERE tenant = ? AND id = ? AND expires > ?',
        tenant,
        id,
        this.#nowUs(),
      ) > 0
    );
  }

  async conversationItems(tenant: string, id: string): Promise<readonly ConversationItem[] | null> {
    const row = this.#find(tenant, id);
    if (row === null) return null;
    const rows = this.#database.all(
      'SELECT id, body FROM conversation_items WHERE conversation = ? ORDER BY key',
      row['key'] as number,
    );
    return Promise.all(rows.map(itemOf));
  }

  async listItems(
    tenant: string,
    id: string,
    { limit, after, ascending }: ItemQuery,
  ): Promise<ItemQueryResult | null> {
    const row = this.#find(tenant, id);
    if (row === null) return null;
    const last = after === '' ? null : this.#item(row, after);
    if (after !== '' && last === null) return null;
    const from = (last?.['key'] as number | undefined) ?? (ascending ? 0 : Number.MAX_SAFE_INTEGER);
    const rows = this.#database.all(
      `SELECT id, body FROM conversation_items WHERE conversation = ? AND key ${ascending ? '>' : '<'} ?
       ORDER BY key ${ascending ? 'ASC' : 'DESC'} LIMIT ?`,
      row['key'] as number,
      from,
      limit + 1,
    );
    return {
      items: await Promise.all(rows.slice(0, limit).map(itemOf)),
      hasMore: rows.length > limit,
    };
  }

  async readItem(tenant: string, id: string, itemId: string): Promise<ConversationItem | null> {
    const row = this.#find(tenant, id);
    const item = row === null ? null : this.#item(row, itemId);
    return item === null ? null : itemOf(item);
  }

  async addItems(
    tenant: string,
    id: string,
    { items, maxBytes, after }: ItemAppend,
  ): Promise<'saved' | 'gone' | 'lost' | 'full'> {
    const packed = await packItems(items);
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return 'gone';
      const there = packed.map((item) => this.#item(row, item.id));
      const isSame = (stored: Row | null, i: number): boolean =>
        stored !== null && Buffer.compare(stored['body'] as Uint8Array, packed[i]!.packed) === 0;
      if (items.length > 0 && there.every(isSame)) return 'saved';
      if (there.some((stored) => stored !== null)) return 'lost';
      if (after !== null && this.#count(row) !== after) return 'lost';
      const bytes = packed.reduce((sum, item) => sum + packedSize(item.packed), Number(row['bytes']));
      if (packed.length > 0 && bytes > maxBytes) return 'full';
      this.#add(row, packed);
      return 'saved';
    });
  }

  async deleteItem(tenant: string, id: string, itemId: string): Promise<boolean> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      const item = row === null ? null : this.#item(row, itemId);
      if (row === null || item === null) return false;
      this.#database.run('DELETE FROM conversation_items WHERE key = ?', item['key'] as number);
      this.#grow(row, -packedSize(item['body'] as Uint8Array));
      return true;
    });
  }

  /** Clears expired conversations away, a batch at a time. @returns whether there may be more */
  protected sweepConversations(): boolean {
    const items = this.#database.run(
      `DELETE FROM conversation_items WHERE key IN (
         SELECT i.key FROM conversations c JOIN conversation_items i ON i.conversation = c.key WHERE c.expires <= ? LIMIT ?)`,
      this.#nowUs(),
      itemBatch,
    );
    if (items === itemBatch) return true;
    const swept = this.#database.run(
      'DELETE FROM conversations WHERE key IN (SELECT key FROM conversations WHERE expires <= ? LIMIT ?)',
      this.#nowUs(),
      sweepBatch,
    );
    return swept === sweepBatch;
  }

  #find(tenant: string, id: string): Row | null {
    return this.#database.get(
      'SELECT key, created, expires, metadata, bytes FROM conversations WHERE tenant = ? AND id = ? AND expires > ?',
      tenant,
      id,
      this.#nowUs(),
    );
  }

  #item(conversation: Row, id: string): Row | null {
    return this.#database.get(
      'SELECT key, id, body FROM conversation_items WHERE conversation = ? AND id = ?',
      conversation['key'] as number,
      id,
    );
  }

  #count(conversation: Row): number {
    return Number(
      this.#database.get(
        'SELECT count(*) AS n FROM conversation_items WHERE conversation = ?',
        conversation['key'] as number,
      )?.['n'],
    );
  }

  #add(conversation: Row, items: readonly PackedItem[]): void {
    let bytes = 0;
    for (const { id, packed } of items) {
      const added = this.#database.run(
        'INSERT INTO conversation_items (conversation, id, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
        conversation['key'] as number,
        id,
        packed,
      );
      if (added > 0) bytes += packedSize(packed);
    }
    this.#grow(conversation, bytes);
  }

  #grow(conversation: Row, bytes: number): void {
    this.#database.run(
      'UPDATE conversations SET bytes = bytes + ? WHERE key = ?',
      bytes,
      conversation['key'] as number,
    );
  }
}

const packItems = (items: readonly ConversationItem[]): Promise<PackedItem[]> =>
  Promise.all(items.map(async ({ id, body }) => ({ id, packed: await pack(body) })));

const itemOf = async (row: Row): Promise<ConversationItem> => ({
  id: row['id'] as string,
  body: await unpack(row['body'] as Uint8Array),
});
