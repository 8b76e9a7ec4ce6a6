import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ConversationFacts, ConversationItem, ResponseStore } from '../../../src/responses/store.ts';
import { bytes, type ResponsesUnderTest, text } from './response-suite.ts';

const maxBytes = 1_000;

/** What every store of conversations has to do. */
export function conversationSuite(under: () => ResponsesUnderTest): void {
  const facts = (changes: Partial<ConversationFacts> = {}): ConversationFacts => {
    const createdUs = under().nowUs();
    return {
      id: `conv_${randomUUID().replaceAll('-', '')}`,
      createdUs,
      expiresUs: createdUs + 3_600e6,
      metadataJson: '{"a":"ä"}',
      ...changes,
    };
  };
  const items = (...ids: string[]): ConversationItem[] =>
    ids.map((id) => ({ id, body: bytes(`body of ${id}`) }));
  const made = async (...ids: string[]): Promise<string> => {
    const conversation = facts();
    await under().store.createConversation('', conversation, items(...ids));
    return conversation.id;
  };
  const add = (id: string, after: number | null, ...ids: string[]) =>
    under().store.addItems('', id, { items: items(...ids), maxBytes, after });
  const all = async (id: string, store: ResponseStore = under().store): Promise<string[] | null> =>
    (await store.conversationItems('', id))?.map((item) => item.id) ?? null;

  describe('a conversation', () => {
    test('is read as it was made, by every process', async () => {
      const { store, other } = under();
      const conversation = facts();
      const odd = [
        { id: 'b', body: new Uint8Array([0, 255, 10, 13]) },
        { id: 'a {x}', body: new Uint8Array() },
        { id: 'c', body: bytes('long '.repeat(10_000)) },
      ];
      await store.createConversation('', conversation, odd);
      expect(await other.readConversation('', conversation.id)).toEqual(conversation);
      const read = await other.conversationItems('', conversation.id);
      expect(read?.map(({ id, body }) => [id, Buffer.from(body)])).toEqual(
        odd.map(({ id, body }) => [id, Buffer.from(body)]),
      );
    });

    test('is not there under another id or for another tenant', async () => {
      const { store } = under();
      const conversation = facts();
      const { id } = conversation;
      await store.createConversation('one', conversation, items('a'));
      expect(await store.readConversation('one', randomUUID())).toBeNull();
      for (const tenant of ['two', '']) {
        expect(await store.readConversation(tenant, id)).toBeNull();
        expect(await store.updateConversation(tenant, id, '{}')).toBe(false);
        expect(await store.deleteConversation(tenant, id)).toBe(false);
        expect(await store.conversationItems(tenant, id)).toBeNull();
        expect(await store.listItems(tenant, id, { limit: 5, after: '', ascending: true })).toBeNull();
        expect(await store.readItem(tenant, id, 'a')).toBeNull();
        expect(await store.addItems(tenant, id, { items: items('b'), maxBytes, after: null })).toBe('gone');
        expect(await store.deleteItem(tenant, id, 'a')).toBe(false);
      }
      expect(await store.readConversation('one', id)).toEqual(conversation);
      expect((await store.conversationItems('one', id))?.length).toBe(1);
    });

    test('made a second time stays as it has become', async () => {
      const { store } = under();
      const conversation = facts();
      await store.createConversation('', conversation, items('a', 'b'));
      await add(conversation.id, 2, 'c');
      await store.createConversation('', conversation, items('a', 'b'));
      expect(await all(conversation.id)).toEqual(['a', 'b', 'c']);
    });

    test('gets other labels, and keeps its items', async () => {
      const { store, other } = under();
      const id = await made('a');
      expect(await store.updateConversation('', id, '{"b":"2"}')).toBe(true);
      expect((await other.readConversation('', id))?.metadataJson).toBe('{"b":"2"}');
      expect(await all(id)).toEqual(['a']);
    });

    test('is gone once deleted, and once expired', async () => {
      const { store, other, advance, nowUs } = under();
      const deleted = await made('a');
      expect(await other.deleteConversation('', deleted)).toBe(true);
      expect(await store.deleteConversation('', deleted)).toBe(false);
      const expired = facts({ expiresUs: nowUs() + 50e6 });
      await store.createConversation('', expired, items('a'));
      advance(49);
      expect(await add(expired.id, 1, 'b')).toBe('saved');
      advance(1);
      for (const id of [deleted, expired.id]) {
        expect(await store.readConversation('', id)).toBeNull();
        expect(await all(id)).toBeNull();
        expect(await store.readItem('', id, 'a')).toBeNull();
        expect(await store.listItems('', id, { limit: 1, after: '', ascending: true })).toBeNull();
        expect(await add(id, null, 'c')).toBe('gone');
        expect(await store.deleteItem('', id, 'a')).toBe(false);
        expect(await store.updateConversation('', id, '{}')).toBe(false);
      }
    });
  });

  describe('items of a conversation', () => {
    test('come after those that are there, in order', async () => {
      const id = await made('z');
      expect(await add(id, 1, 'b', 'a')).toBe('saved');
      expect(await add(id, null, 'c')).toBe('saved');
      expect(await all(id, under().other)).toEqual(['z', 'b', 'a', 'c']);
    });

    test('are refused when others came between, and taken once when they are repeated', async () => {
      const id = await made('a');
      expect(await add(id, 1, 'b', 'c')).toBe('saved');
      expect(await add(id, 1, 'b', 'c')).toBe('saved');
      expect(await add(id, 1, 'd')).toBe('lost');
      expect(await add(id, 1)).toBe('lost');
      expect(await add(id, 3)).toBe('saved');
    });

    test('are refused, all of them, when another has the id of one', async () => {
      const id = await made('a');
      const other = { id: 'a', body: bytes('other') };
      for (const some of [[other], [other, ...items('d')], [...items('d'), other], items('a', 'd')]) {
        expect(await under().store.addItems('', id, { items: some, maxBytes, after: null })).toBe('lost');
      }
      expect(await all(id)).toEqual(['a']);
      expect(text((await under().store.readItem('', id, 'a'))!.body)).toBe('body of a');
      expect(await add(id, null, 'a')).toBe('saved');
    });

    test('of two calls at once are one call’s', async () => {
      const { store, other } = under();
      const id = await made('a');
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          (i % 2 === 0 ? store : other).addItems('', id, {
            items: items(`q${i}`, `r${i}`),
            maxBytes,
            after: 1,
          }),
        ),
      );
      expect(results.toSorted()).toEqual([...Array.from({ length: 7 }, () => 'lost'), 'saved']);
      expect((await all(id))?.length).toBe(3);
    });

    test('are taken up to the bound and not beyond, as large as they are unpacked', async () => {
      const { store } = under();
      const id = await made();
      const big = { id: 'big', body: bytes('x'.repeat(20_000)) };
      // Ten are the labels'.
      const bound = 20_010;
      const append = (item: ConversationItem, most: number) =>
        store.addItems('', id, { items: [item], maxBytes: most, after: null });
      expect(await append(big, bound - 1)).toBe('full');
      expect(await append(big, bound)).toBe('saved');
      expect(await append({ id: 'more', body: bytes('x') }, bound)).toBe('full');
      expect(await store.updateConversation('', id, '{"a":""}')).toBe(true);
      expect(await append({ id: 'more', body: bytes('xx') }, bound)).toBe('saved');
      expect(await store.deleteItem('', id, 'big')).toBe(true);
      expect(await append({ ...big, id: 'bigger' }, bound)).toBe('saved');
      expect(await all(id)).toEqual(['more', 'bigger']);
    });

    test('are listed both ways, a page at a time, after an item', async () => {
      const { store, other } = under();
      const ids = Array.from({ length: 7 }, (_, i) => `item ${(i * 5) % 7}`);
      const id = await made(...ids);
      for (const ascending of [true, false]) {
        const found: string[] = [];
        let pages = 0;
        for (let after = '', more = true; more; pages++) {
          const page = await (ascending ? store : other).listItems('', id, { limit: 3, after, ascending });
          found.push(...page!.items.map((item) => item.id));
          expect(page!.items.map(({ body }) => text(body))).toEqual(
            page!.items.map((item) => `body of ${item.id}`),
          );
          more = page!.hasMore;
          after = found.at(-1)!;
        }
        expect(found).toEqual(ascending ? ids : ids.toReversed());
        expect(pages).toBe(3);
      }
    });

    test('have no next page when the last one is just full; after an item that is not there is none', async () => {
      const { store } = under();
      const id = await made('a', 'b');
      const list = (limit: number, after: string, ascending = true) =>
        store.listItems('', id, { limit, after, ascending });
      expect(await list(2, '')).toMatchObject({ hasMore: false, items: [{ id: 'a' }, { id: 'b' }] });
      expect(await list(1, 'a')).toMatchObject({ hasMore: false, items: [{ id: 'b' }] });
      expect(await list(1, 'b')).toEqual({ hasMore: false, items: [] });
      expect(await list(1, 'a', false)).toEqual({ hasMore: false, items: [] });
      expect(await list(1, 'no')).toBeNull();
      const empty = await made();
      const query = { limit: 5, after: '', ascending: false };
      expect(await store.listItems('', empty, query)).toEqual({ hasMore: false, items: [] });
      expect(await store.conversationItems('', empty)).toEqual([]);
    });

    test('are read and deleted one by one', async () => {
      const { store, other } = under();
      const id = await made('a', 'b', 'c');
      expect(text((await other.readItem('', id, 'b'))!.body)).toBe('body of b');
      expect(await store.deleteItem('', id, 'b')).toBe(true);
      expect(await store.deleteItem('', id, 'b')).toBe(false);
      expect(await other.readItem('', id, 'b')).toBeNull();
      expect(await all(id)).toEqual(['a', 'c']);
      expect(await store.deleteItem('', id, 'c')).toBe(true);
      expect(await add(id, 1, 'd')).toBe('saved');
      expect(await add(id, null, 'b')).toBe('saved');
      expect(await all(id)).toEqual(['a', 'd', 'b']);
    });
  });
}
