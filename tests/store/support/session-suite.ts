import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SessionFacts, SessionStore } from '../../../src/sessions/store.ts';
import { until } from '../../support/redis.ts';

export interface StoreUnderTest {
  readonly store: SessionStore;
  /** A second process's view of the same data. */
  readonly other: SessionStore;
  /** Moves the clock of both on, in seconds. */
  advance(seconds: number): void;
  nowUs(): number;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (messages: readonly Uint8Array[]): string[] =>
  messages.map((message) => Buffer.from(message).toString('utf8'));
const maxBytes = 1_000;

/** What every store of sessions has to do. */
export function sessionSuite(under: () => StoreUnderTest): void {
  const facts = (changes: Partial<SessionFacts> = {}): SessionFacts => {
    const createdUs = under().nowUs();
    return {
      id: randomUUID(),
      createdUs,
      expiresUs: createdUs + 3_600e6,
      contextJson: '{"a":1}',
      ...changes,
    };
  };
  const made = async (changes: Partial<SessionFacts> = {}, tenant = ''): Promise<SessionFacts> => {
    const session = facts(changes);
    await under().store.create(tenant, session);
    return session;
  };

  describe('made sure of', () => {
    test('is made once, and what was said in it stays', async () => {
      const { store, other } = under();
      const session = facts();
      await store.ensure('', session);
      const locked = await store.lock('', session.id, 'me', 5_000);
      expect(locked.kind).toBe('locked');
      await store.append('', session.id, { holder: 'me', after: 0, messages: [bytes('hello')], maxBytes });
      await other.ensure('', { ...session, createdUs: session.createdUs + 5, contextJson: '{}' });
      const read = await store.read('', session.id);
      expect(read).toMatchObject(session);
      expect(texts(read?.messages ?? [])).toEqual(['hello']);
      expect((await store.list('', 10, '')).sessions.filter(({ id }) => id === session.id)).toHaveLength(1);
    });

    test('begins anew when it has expired', async () => {
      const { store, advance } = under();
      const session = facts({ expiresUs: under().nowUs() + 60e6 });
      await store.ensure('', session);
      await store.lock('', session.id, 'me', 5_000);
      await store.append('', session.id, { holder: 'me', after: 0, messages: [bytes('hello')], maxBytes });
      advance(61);
      const again = facts({ id: session.id });
      await store.ensure('', again);
      expect(await store.read('', session.id)).toMatchObject({ ...again, messages: [] });
    });
  });

  const append = (id: string, holder: string, after: number, ...messages: string[]) =>
    under().store.append('', id, { holder, after, messages: messages.map(bytes), maxBytes });

  describe('a session', () => {
    test('is read as it was made, by every process', async () => {
      const session = await made();
      const stored = { ...session, messages: [], bytes: 7 };
      expect(await under().store.read('', session.id)).toEqual(stored);
      expect(await under().other.read('', session.id)).toEqual(stored);
    });

    test('is not there under another id or for another tenant', async () => {
      const { id } = await made({}, 'one');
      const { store } = under();
      expect(await store.read('one', randomUUID())).toBeNull();
      expect(await store.read('two', id)).toBeNull();
      expect(await store.read('', id)).toBeNull();
      expect(await store.delete('two', id)).toBe(false);
      expect(await store.lock('two', id, 'h', 1_000)).toEqual({ kind: 'gone' });
      expect((await store.read('one', id))?.id).toBe(id);
    });

    test('is gone once deleted', async () => {
      const { id } = await made();
      const { store, other } = under();
      expect(await other.delete('', id)).toBe(true);
      expect(await store.read('', id)).toBeNull();
      expect(await store.delete('', id)).toBe(false);
      expect(await store.lock('', id, 'h', 1_000)).toEqual({ kind: 'gone' });
    });

    test('expires at its time, whatever was done with it', async () => {
      const { id } = await made({ expiresUs: under().nowUs() + 100e6 });
      const { store } = under();
      await store.lock('', id, 'h', 60_000);
      under().advance(99);
      expect(await append(id, 'h', 0, 'x')).toBe('saved');
      expect((await store.read('', id))?.messages.length).toBe(1);
      await store.lock('', id, 'i', 60_000);
      under().advance(1);
      expect(await store.read('', id)).toBeNull();
      expect(await store.extend('', id, 'i', 60_000)).toBeTypeOf('boolean');
      expect(await append(id, 'i', 1, 'y')).toBe('gone');
      expect(await store.lock('', id, 'j', 1_000)).toEqual({ kind: 'gone' });
      expect(await store.delete('', id)).toBe(false);
    });

    test('keeps its messages byte for byte and in order', async () => {
      const { id } = await made();
      const { store, other } = under();
      const first = [new Uint8Array([0, 255, 10, 13]), bytes('ä€😀'), new Uint8Array()];
      await store.lock('', id, 'h', 60_000);
      await store.append('', id, { holder: 'h', after: 0, messages: first, maxBytes });
      const locked = await other.lock('', id, 'i', 60_000);
      if (locked.kind !== 'locked') throw new Error(locked.kind);
      expect(locked.session.messages.map((message) => Buffer.from(message))).toEqual(
        first.map((message) => Buffer.from(message)),
      );
      await other.append('', id, { holder: 'i', after: 3, messages: [bytes('4'), bytes('5')], maxBytes });
      const read = await store.read('', id);
      expect(texts(read?.messages ?? []).slice(1)).toEqual(['ä€😀', '', '4', '5']);
      expect(read?.bytes).toBe(7 + 4 + Buffer.byteLength('ä€😀') + 2);
    });

    test('takes thousands of messages at once', async () => {
      const { id } = await made();
      const messages = Array.from({ length: 9_000 }, (_, i) => bytes(`${i}`));
      await under().store.lock('', id, 'h', 60_000);
      const what = { holder: 'h', after: 0, messages, maxBytes: 2 ** 20 };
      expect(await under().store.append('', id, what)).toBe('saved');
      const read = await under().store.read('', id);
      expect(texts(read?.messages ?? [])).toEqual(Array.from({ length: 9_000 }, (_, i) => `${i}`));
    });
  });

  describe('a lock', () => {
    test('is held by one, across processes', async () => {
      const { id } = await made();
      const { store, other } = under();
      expect((await store.lock('', id, 'h', 60_000)).kind).toBe('locked');
      expect((await store.lock('', id, 'h', 60_000)).kind).toBe('locked');
      expect(await other.lock('', id, 'i', 60_000)).toEqual({ kind: 'busy' });
      expect(await other.unlock('', id, 'i')).toBe(false);
      expect(await other.lock('', id, 'i', 60_000)).toEqual({ kind: 'busy' });
      expect(await store.unlock('', id, 'h')).toBe(true);
      expect(await store.unlock('', id, 'h')).toBe(false);
      expect((await other.lock('', id, 'i', 60_000)).kind).toBe('locked');
    });

    test('ends by itself, unless it is renewed', async () => {
      const { id } = await made();
      const { store, other } = under();
      await store.lock('', id, 'h', 60_000);
      expect(await store.extend('', id, 'h', 50)).toBe(true);
      expect(await store.extend('', id, 'i', 60_000)).toBe(false);
      await until(async () => (await other.lock('', id, 'i', 60_000)).kind === 'locked');
      expect(await store.extend('', id, 'h', 60_000)).toBe(false);
      expect(await other.extend('', id, 'i', 60_000)).toBe(true);
    });

    test('that ran out is not renewed, but what nobody else has may still be saved', async () => {
      const { id } = await made();
      const { store } = under();
      await store.lock('', id, 'h', 1);
      await until(async () => !(await store.extend('', id, 'h', 1)));
      expect(await append(id, 'h', 0, 'late')).toBe('saved');
      expect(texts((await store.read('', id))?.messages ?? [])).toEqual(['late']);
    });

    test('is free after saving, whatever that came to', async () => {
      const { id } = await made();
      const { store } = under();
      await store.lock('', id, 'a', 60_000);
      expect(await append(id, 'a', 0, 'one')).toBe('saved');
      expect((await store.lock('', id, 'b', 60_000)).kind).toBe('locked');
      expect(await append(id, 'b', 1, 'x'.repeat(maxBytes))).toBe('full');
      expect((await store.lock('', id, 'c', 60_000)).kind).toBe('locked');
      expect(await append(id, 'c', 7, 'x')).toBe('lost');
      expect((await store.lock('', id, 'd', 60_000)).kind).toBe('locked');
      expect(texts((await store.read('', id))?.messages ?? [])).toEqual(['one']);
    });
  });

  describe('saving', () => {
    test('is refused when another one has the lock, or has been there', async () => {
      const { id } = await made();
      const { store } = under();
      await store.lock('', id, 'slow', 1);
      await until(async () => (await store.lock('', id, 'fast', 60_000)).kind === 'locked');
      expect(await append(id, 'slow', 0, 'slow')).toBe('lost');
      expect(await store.extend('', id, 'fast', 60_000)).toBe(true);
      expect(await append(id, 'fast', 0, 'fast')).toBe('saved');
      expect(await append(id, 'slow', 0, 'slow')).toBe('lost');
      expect(texts((await store.read('', id))?.messages ?? [])).toEqual(['fast']);
    });

    test('a second time by the same holder adds nothing', async () => {
      const { id } = await made();
      const { store } = under();
      await store.lock('', id, 'h', 60_000);
      expect(await append(id, 'h', 0, 'once')).toBe('saved');
      expect(await append(id, 'h', 0, 'once')).toBe('saved');
      await store.lock('', id, 'i', 60_000);
      expect(await append(id, 'h', 0, 'once')).toBe('saved');
      expect((await store.lock('', id, 'j', 60_000)).kind).toBe('busy');
      expect(texts((await store.read('', id))?.messages ?? [])).toEqual(['once']);
    });

    test('takes a session up to its bound and not beyond', async () => {
      const { id } = await made();
      await under().store.lock('', id, 'h', 60_000);
      expect(await append(id, 'h', 0, 'x'.repeat(maxBytes - 7))).toBe('saved');
      await under().store.lock('', id, 'i', 60_000);
      expect(await append(id, 'i', 1, 'x')).toBe('full');
      expect((await under().store.read('', id))?.bytes).toBe(maxBytes);
    });

    test('can change the context, which counts', async () => {
      const { id } = await made();
      const { store } = under();
      await store.lock('', id, 'h', 60_000);
      const what = { holder: 'h', after: 0, messages: [bytes('12')], maxBytes };
      expect(await store.append('', id, { ...what, contextJson: '{"b":"ä"}' })).toBe('saved');
      expect(await store.read('', id)).toMatchObject({ contextJson: '{"b":"ä"}', bytes: 12 });
      await store.lock('', id, 'i', 60_000);
      const long = { ...what, holder: 'i', after: 1, contextJson: `{"b":"${'x'.repeat(maxBytes)}"}` };
      expect(await store.append('', id, long)).toBe('full');
    });

    test('finds a deleted session gone', async () => {
      const { id } = await made();
      await under().store.lock('', id, 'h', 60_000);
      await under().other.delete('', id);
      expect(await append(id, 'h', 0, 'x')).toBe('gone');
      expect(await under().store.read('', id)).toBeNull();
    });

    test('by many at once loses and mixes nothing', async () => {
      const { id } = await made();
      const { store, other } = under();
      const turn = async (one: SessionStore, holder: string): Promise<void> => {
        for (;;) {
          const locked = await one.lock('', id, holder, 60_000);
          if (locked.kind !== 'locked') {
            await new Promise((resolve) => setImmediate(resolve));
            continue;
          }
          const after = locked.session.messages.length;
          const messages = [bytes(`${holder} asks after ${after}`), bytes(`${holder} is told`)];
          expect(await one.append('', id, { holder, after, messages, maxBytes: 2 ** 20 })).toBe('saved');
          return;
        }
      };
      await Promise.all(Array.from({ length: 20 }, (_, i) => turn(i % 2 === 0 ? store : other, `h${i}`)));
      const all = texts((await store.read('', id))?.messages ?? []);
      expect(all.length).toBe(40);
      for (let i = 0; i < 40; i += 2) {
        const [holder] = all[i]!.split(' ');
        expect(all[i]).toBe(`${holder} asks after ${i}`);
        expect(all[i + 1]).toBe(`${holder} is told`);
      }
      expect(new Set(all).size).toBe(40);
    });
  });

  describe('the list', () => {
    test('is by time, newest first, a page at a time, of one tenant', async () => {
      const tenant = `list ${randomUUID()} {}`;
      const ids: string[] = [];
      const createdUs = under().nowUs();
      // Two at the same microsecond: the order is by id then, and none is passed over.
      for (let i = 0; i < 7; i++) {
        const session = await made({ createdUs: createdUs + Math.floor(i / 2) }, tenant);
        ids.push(session.id);
      }
      await made();
      const key = (id: string) => `${Math.floor(ids.indexOf(id) / 2)}${id}`;
      const wanted = ids.toSorted((a, b) => (key(a) < key(b) ? 1 : -1));
      const found: string[] = [];
      let after = '';
      let pages = 0;
      do {
        const page = await under().store.list(tenant, 3, after);
        found.push(...page.sessions.map(({ id }) => id));
        after = page.next;
        pages++;
      } while (after !== '');
      expect(found).toEqual(wanted);
      expect(pages).toBe(3);
    });

    test('has no next page when the last one is just full', async () => {
      const tenant = randomUUID();
      const one = await made({}, tenant);
      const two = await made({ createdUs: one.createdUs + 1 }, tenant);
      expect(await under().store.list(tenant, 2, '')).toEqual({ sessions: [two, one], next: '' });
      expect(await under().store.list(randomUUID(), 2, '')).toEqual({ sessions: [], next: '' });
    });

    test('passes over what is deleted or expired', async () => {
      const tenant = randomUUID();
      const start = under().nowUs();
      const stay = await made({ createdUs: start }, tenant);
      const expire = await made({ createdUs: start + 1, expiresUs: start + 50e6 }, tenant);
      const remove = await made({ createdUs: start + 2 }, tenant);
      await under().store.delete(tenant, remove.id);
      expect((await under().store.list(tenant, 1, '')).sessions).toEqual([expire]);
      under().advance(60);
      expect(await under().store.list(tenant, 1, '')).toEqual({ sessions: [stay], next: '' });
    });
  });
}
