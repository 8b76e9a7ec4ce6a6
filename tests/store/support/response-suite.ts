import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ClaimedResponse, NewResponse, ResponseStore } from '../../../src/responses/store.ts';
import { until } from '../../support/redis.ts';
import { conversationSuite } from './conversation-suite.ts';

export interface ResponsesUnderTest {
  readonly store: ResponseStore;
  /** A second process's view of the same data. */
  readonly other: ResponseStore;
  /** Moves the clock of both on, in seconds. Leases have a clock of their own. */
  advance(seconds: number): void;
  nowUs(): number;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => Buffer.from(value).toString('utf8');
const texts = (values: readonly Uint8Array[]): string[] => values.map(text);
const maxBytes = 1_000;
const long = 60_000;

/** What every store of responses has to do. */
export function responseSuite(under: () => ResponsesUnderTest): void {
  const facts = (changes: Partial<NewResponse> = {}): NewResponse => {
    const createdUs = under().nowUs();
    return {
      id: `resp_${randomUUID().replaceAll('-', '')}`,
      createdUs,
      expiresUs: createdUs + 3_600e6,
      body: bytes('body'),
      input: [bytes('one'), bytes('two')],
      maker: 'who {"ä"}',
      open: { holder: 'h', leaseMs: long },
      ...changes,
    };
  };
  const made = async (changes: Partial<NewResponse> = {}, tenant = ''): Promise<string> => {
    const response = facts(changes);
    await under().store.create(tenant, response);
    return response.id;
  };
  const append = (id: string, after: number, events: readonly string[], holder = 'h', leaseMs = long) =>
    under().store.append('', id, { holder, after, events: events.map(bytes), maxBytes }, leaseMs);
  const end = (id: string, after: number, events: readonly string[], holder = 'h', body = 'the end') =>
    under().store.end('', id, { holder, after, events: events.map(bytes), maxBytes, body: bytes(body) });
  const log = async (id: string): Promise<string[]> =>
    texts((await under().store.events('', id, 0, 10_000))?.events ?? []);
  const abandon = async (id: string): Promise<void> => {
    await under().store.extend('', id, 'h', 1);
    await until(async () => (await under().store.read('', id))?.abandoned === true);
  };
  /** Takes all that other tests have left, so that what is claimed next is the test's own. */
  const drain = async (): Promise<void> => {
    while ((await under().store.claim('drain', 600_000)) !== null);
  };

  describe('a response', () => {
    test('is read as it was made, by every process', async () => {
      const { open: _, ...response } = facts();
      await under().store.create('', { ...response, open: { holder: 'h', leaseMs: long } });
      const stored = { ...response, open: true, abandoned: false, cancelled: false, eventCount: 0 };
      for (const one of [under().store, under().other]) {
        const read = await one.read('', response.id);
        expect(text(read!.body)).toBe('body');
        expect(texts(read!.input)).toEqual(['one', 'two']);
        expect({ ...read, body: stored.body, input: stored.input }).toEqual(stored);
      }
    });

    test('can be made whole', async () => {
      const id = await made({ open: 'over', input: [] });
      expect(await under().store.read('', id)).toMatchObject({ open: false, abandoned: false, input: [] });
      expect(await under().store.events('', id, 0, 10)).toEqual({ events: [], over: true, abandoned: false });
      expect(await append(id, 0, ['x'])).toBe('lost');
      expect(await under().store.take('', id, 'h', long)).toBeNull();
    });

    test.each([
      ['small values', 100, 4],
      ['values that are compressed', 20_000, 200],
      ['values of megabytes', 3_000_000, 3],
    ])('keeps %s byte for byte', async (_name, size, count) => {
      const values = Array.from({ length: count }, (_, i) => {
        const value = Buffer.alloc(size, `${i} ä😀 `);
        // Some of it cannot be made smaller.
        randomBytes(Math.floor(size / 3)).copy(value, 10);
        return value;
      });
      const [body, ...input] = values;
      const id = await made({ body: body!, input: [...input, new Uint8Array()] });
      const read = await under().other.read('', id);
      expect(Buffer.compare(read!.body, body!)).toBe(0);
      expect(read?.input.map((item, i) => Buffer.compare(item, values[i + 1] ?? Buffer.alloc(0)))).toEqual(
        Array.from({ length: count }, () => 0),
      );
      const what = { holder: 'h', after: 0, events: [], maxBytes: 2 ** 30, body: values.at(-1)! };
      expect(await under().store.end('', id, what)).toBe('done');
      expect(Buffer.compare((await under().store.read('', id))!.body, values.at(-1)!)).toBe(0);
    });

    test('is not there under another id or for another tenant', async () => {
      const { store } = under();
      const id = await made({}, 'one');
      const what = { holder: 'h', after: 0, events: [bytes('x')], maxBytes, body: bytes('b') };
      expect(await store.read('one', randomUUID())).toBeNull();
      for (const tenant of ['two', '', 'one/']) {
        expect(await store.read(tenant, id)).toBeNull();
        expect(await store.delete(tenant, id)).toBe(false);
        expect(await store.append(tenant, id, what, long)).toBe('gone');
        expect(await store.extend(tenant, id, 'h', long)).toBe('gone');
        expect(await store.end(tenant, id, what)).toBe('gone');
        expect(await store.events(tenant, id, 0, 10)).toBeNull();
        expect(await store.cancel(tenant, id)).toBe('gone');
        expect(await store.take(tenant, id, 'h', long)).toBeNull();
      }
      expect(await store.read('one', id)).toMatchObject({ id, eventCount: 0, cancelled: false, open: true });
    });

    test('is gone once deleted, also for whoever works at it', async () => {
      const { store, other } = under();
      const id = await made();
      await append(id, 0, ['a']);
      expect(await other.delete('', id)).toBe(true);
      expect(await store.delete('', id)).toBe(false);
      expect(await store.read('', id)).toBeNull();
      expect(await append(id, 1, ['b'])).toBe('gone');
      expect(await store.extend('', id, 'h', long)).toBe('gone');
      expect(await end(id, 1, ['b'])).toBe('gone');
      expect(await store.events('', id, 0, 10)).toBeNull();
      expect(await store.cancel('', id)).toBe('gone');
      expect(await store.take('', id, 'h', long)).toBeNull();
    });

    test('expires at its time, whatever was done with it', async () => {
      const { store, advance, nowUs } = under();
      const id = await made({ expiresUs: nowUs() + 100e6 });
      advance(99);
      expect(await append(id, 0, ['a'])).toBe('done');
      expect((await store.read('', id))?.eventCount).toBe(1);
      advance(1);
      expect(await store.read('', id)).toBeNull();
      expect(await store.events('', id, 0, 10)).toBeNull();
      expect(await append(id, 1, ['b'])).toBe('gone');
      expect(await end(id, 1, ['b'])).toBe('gone');
      expect(await store.cancel('', id)).toBe('gone');
      expect(await store.take('', id, 'i', long)).toBeNull();
      expect(await store.delete('', id)).toBe(false);
    });

    test('made a second time stays as it has become', async () => {
      const { store } = under();
      const response = facts();
      await store.create('', response);
      await append(response.id, 0, ['a']);
      await store.create('', response);
      expect(await log(response.id)).toEqual(['a']);
      expect(await end(response.id, 1, [])).toBe('done');
      await store.create('', response);
      expect(await store.read('', response.id)).toMatchObject({ open: false, eventCount: 1 });
    });
  });

  describe('events', () => {
    test('are read a page at a time, in order and byte for byte', async () => {
      const { store, other } = under();
      const id = await made();
      const odd = [new Uint8Array([0, 255, 10, 13]), new Uint8Array(), bytes('ä€😀')];
      expect(await store.append('', id, { holder: 'h', after: 0, events: odd, maxBytes }, long)).toBe('done');
      expect(await append(id, 3, ['3', '4', '5'])).toBe('done');
      expect((await store.read('', id))?.eventCount).toBe(6);
      const page = async (from: number, limit: number) => (await other.events('', id, from, limit))!;
      expect((await page(0, 3)).events.map((event) => Buffer.from(event))).toEqual(
        odd.map((event) => Buffer.from(event)),
      );
      expect(texts((await page(2, 2)).events)).toEqual(['ä€😀', '3']);
      expect(texts((await page(4, 100)).events)).toEqual(['4', '5']);
      expect(await page(6, 100)).toEqual({ events: [], over: false, abandoned: false });
      expect(await page(60, 1)).toEqual({ events: [], over: false, abandoned: false });
      expect((await page(0, 0)).events).toEqual([]);
    });

    test('come by the thousand', async () => {
      const id = await made();
      const events = Array.from({ length: 9_000 }, (_, i) => bytes(`${i}`));
      const what = { holder: 'h', after: 0, events, maxBytes: 2 ** 20 };
      expect(await under().store.append('', id, what, long)).toBe('done');
      expect(await log(id)).toEqual(events.map(text));
    });

    test('that are added a second time are there once', async () => {
      const id = await made();
      expect(await append(id, 0, ['a', 'b'])).toBe('done');
      expect(await append(id, 0, ['a', 'b'])).toBe('done');
      expect(await append(id, 2, [])).toBe('done');
      // The answer to the first was lost, and more has come since.
      expect(await append(id, 0, ['a', 'b', 'c'])).toBe('done');
      expect(await log(id)).toEqual(['a', 'b', 'c']);
    });

    test('are refused where others are, or where they would leave a gap', async () => {
      const id = await made();
      await append(id, 0, ['a', 'b']);
      expect(await append(id, 0, ['a', 'x'])).toBe('lost');
      expect(await append(id, 0, ['a'])).toBe('lost');
      expect(await append(id, 1, ['x'])).toBe('lost');
      expect(await append(id, 3, ['d'])).toBe('lost');
      expect(await end(id, 1, ['x'])).toBe('lost');
      expect(await log(id)).toEqual(['a', 'b']);
    });

    test('are taken up to the bound of the response and not beyond', async () => {
      const { store } = under();
      // 4 of the body, 6 of the input.
      const id = await made();
      expect(await append(id, 0, ['x'.repeat(maxBytes - 10)])).toBe('done');
      expect(await append(id, 1, ['y'])).toBe('full');
      expect(await append(id, 1, [])).toBe('done');
      expect(await end(id, 1, [], 'h', 'longer')).toBe('full');
      expect(await store.read('', id)).toMatchObject({ open: true, eventCount: 1 });
      expect(await end(id, 1, [], 'h', 'less')).toBe('done');
      expect(await log(id)).toEqual(['x'.repeat(maxBytes - 10)]);
    });

    test('count as they are, however small they are stored', async () => {
      const { store } = under();
      const id = await made({ body: bytes('x'.repeat(50_000)), input: [bytes('y'.repeat(40_000))] });
      const what = { holder: 'h', after: 0, events: [bytes('1234567890')], maxBytes: 90_009 };
      expect(await store.append('', id, what, long)).toBe('full');
      expect(await store.append('', id, { ...what, maxBytes: 90_010 }, long)).toBe('done');
      const last = { ...what, after: 1, events: [], body: bytes('z'.repeat(60_000)) };
      expect(await store.end('', id, { ...last, maxBytes: 100_009 })).toBe('full');
      expect(await store.end('', id, { ...last, maxBytes: 100_010 })).toBe('done');
    });
  });

  describe('the end', () => {
    test('brings the last events and what became of it in one step', async () => {
      const { store, other } = under();
      const id = await made();
      await append(id, 0, ['a']);
      expect(await end(id, 1, ['b', 'c'])).toBe('done');
      const read = await other.read('', id);
      expect(read).toMatchObject({ open: false, abandoned: false, eventCount: 3 });
      expect(text(read!.body)).toBe('the end');
      expect(texts(read!.input)).toEqual(['one', 'two']);
      const page = await store.events('', id, 2, 10);
      expect({ ...page, events: texts(page!.events) }).toEqual({
        events: ['c'],
        over: true,
        abandoned: false,
      });
    });

    test('comes once, however often it is said', async () => {
      const { store } = under();
      const id = await made();
      await append(id, 0, ['a']);
      expect(await end(id, 1, ['b'])).toBe('done');
      expect(await end(id, 1, ['b'])).toBe('done');
      expect(await store.cancel('', id)).toBe('over');
      expect(await end(id, 1, ['b'])).toBe('done');
      expect(await log(id)).toEqual(['a', 'b']);
    });

    test('takes with it what was added without an answer', async () => {
      const id = await made();
      await append(id, 0, ['a', 'b']);
      expect(await end(id, 0, ['a', 'b', 'c'])).toBe('done');
      expect(await log(id)).toEqual(['a', 'b', 'c']);
    });

    test('is the end: nothing comes after it, from nobody', async () => {
      const { store } = under();
      const id = await made();
      await end(id, 0, ['a']);
      expect(await append(id, 1, ['b'])).toBe('lost');
      expect(await append(id, 0, ['a'])).toBe('lost');
      expect(await end(id, 1, ['b'])).toBe('lost');
      expect(await end(id, 0, ['a'], 'i')).toBe('lost');
      expect(await store.extend('', id, 'h', long)).toBe('lost');
      expect(await store.take('', id, 'h', long)).toBeNull();
      expect(await log(id)).toEqual(['a']);
    });
  });

  describe('a wish to stop', () => {
    test('is learned by whoever works at it, with the next step', async () => {
      const { store, other } = under();
      const id = await made();
      await append(id, 0, ['a']);
      expect(await other.cancel('', id)).toBe('asked');
      expect(await other.cancel('', id)).toBe('asked');
      expect((await store.read('', id))?.cancelled).toBe(true);
      expect(await append(id, 1, ['b'])).toBe('cancelled');
      expect(await store.extend('', id, 'h', long)).toBe('cancelled');
      expect(await end(id, 2, ['c'])).toBe('cancelled');
      expect(await end(id, 2, ['c'])).toBe('cancelled');
      expect(await log(id)).toEqual(['a', 'b', 'c']);
      expect(await store.cancel('', id)).toBe('over');
    });

    test('finds nobody where it is queued or abandoned; who takes it learns of it', async () => {
      const { store } = under();
      const queued = await made({ open: null });
      const left = await made();
      await abandon(left);
      for (const id of [queued, left]) {
        expect(await store.cancel('', id)).toBe('unheld');
        expect((await store.take('', id, 'i', long))?.response.cancelled).toBe(true);
        expect(await store.cancel('', id)).toBe('asked');
        expect(await end(id, 0, [], 'i')).toBe('cancelled');
      }
    });
  });

  describe('a lease', () => {
    test('is of one: others can do nothing meanwhile', async () => {
      const { store, other } = under();
      const id = await made();
      expect(await append(id, 0, ['x'], 'i')).toBe('lost');
      expect(await end(id, 0, ['x'], 'i')).toBe('lost');
      expect(await other.extend('', id, 'i', long)).toBe('lost');
      expect(await other.take('', id, 'i', long)).toBeNull();
      expect(await store.read('', id)).toMatchObject({ open: true, abandoned: false, eventCount: 0 });
    });

    test('that runs out leaves it abandoned; each step renews it', async () => {
      const { store, other } = under();
      const id = await made({ open: { holder: 'h', leaseMs: 1 } });
      await until(async () => (await other.read('', id))?.abandoned === true);
      expect((await other.events('', id, 0, 1))?.abandoned).toBe(true);
      expect(await append(id, 0, ['a'])).toBe('done');
      expect((await other.events('', id, 0, 1))?.abandoned).toBe(false);
      expect(await append(id, 1, [], 'h', 1)).toBe('done');
      await until(async () => (await other.read('', id))?.abandoned === true);
      expect(await store.extend('', id, 'h', long)).toBe('done');
      expect((await other.read('', id))?.abandoned).toBe(false);
      expect(await append(id, 0, ['a'], 'h', 1)).toBe('done');
      await until(async () => (await other.read('', id))?.abandoned === true);
      expect(await end(id, 1, ['b'])).toBe('done');
      expect(await other.read('', id)).toMatchObject({ open: false, abandoned: false });
    });

    test('that somebody else got is lost for the one who had it', async () => {
      const { store, other } = under();
      const id = await made();
      await append(id, 0, ['a']);
      await abandon(id);
      const taken = await other.take('', id, 'i', long);
      expect(taken).toMatchObject({ tenant: '', wasBegun: true });
      expect(taken?.response).toMatchObject({ id, open: true, abandoned: false, eventCount: 1 });
      expect(texts(taken!.response.input)).toEqual(['one', 'two']);
      expect(await append(id, 1, ['late'])).toBe('lost');
      expect(await append(id, 0, ['a'])).toBe('lost');
      expect(await store.extend('', id, 'h', long)).toBe('lost');
      expect(await end(id, 1, ['late'])).toBe('lost');
      expect(await end(id, 1, ['b'], 'i')).toBe('done');
      expect(await log(id)).toEqual(['a', 'b']);
    });
  });

  describe('one that is queued', () => {
    test('is nobody’s, not abandoned, and takes no steps until somebody has it', async () => {
      const { store } = under();
      const id = await made({ open: null });
      expect(await store.read('', id)).toMatchObject({ open: true, abandoned: false });
      expect(await append(id, 0, ['x'])).toBe('lost');
      expect(await append(id, 0, ['x'], '')).toBe('lost');
      expect(await store.extend('', id, '', long)).toBe('lost');
      expect(await end(id, 0, ['x'], '')).toBe('lost');
      const taken = await store.take('', id, 'i', long);
      expect(taken).toMatchObject({ wasBegun: false, response: { id, open: true, abandoned: false } });
      expect(await append(id, 0, ['x'], 'i')).toBe('done');
    });

    test('taken by the same one twice is the same both times', async () => {
      const { store } = under();
      const id = await made({ open: null });
      const first = await store.take('', id, 'i', long);
      expect(first?.wasBegun).toBe(false);
      expect(await store.take('', id, 'i', long)).toEqual(first);
      await store.extend('', id, 'i', 1);
      await until(async () => (await store.read('', id))?.abandoned === true);
      expect((await store.take('', id, 'j', long))?.wasBegun).toBe(true);
      expect((await store.take('', id, 'j', long))?.wasBegun).toBe(true);
      expect(await store.take('', id, 'i', long)).toBeNull();
    });

    test('goes to exactly one of many who want it', async () => {
      const { store, other } = under();
      for (let round = 0; round < 5; round++) {
        const id = await made({ open: null });
        const takes = await Promise.all(
          Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? store : other).take('', id, `h${i}`, long)),
        );
        expect(takes.filter((taken) => taken !== null).length).toBe(1);
      }
    });
  });

  describe('a claim', () => {
    test('finds what is queued or abandoned, of every tenant, and nothing else', async () => {
      const { store, other } = under();
      await drain();
      const tenant = 'some {one}/: ä';
      const queued = await made({ open: null }, tenant);
      const left = await made({ open: { holder: 'h', leaseMs: 1 } });
      const held = await made();
      await made({ open: 'over' });
      await end(await made(), 0, []);
      await until(async () => (await store.read('', left))?.abandoned === true);
      const claims = [await store.claim('i', long), await other.claim('i', long)];
      const found = claims.map((claim) => [claim?.tenant, claim?.response.id, claim?.wasBegun]);
      expect(found.toSorted()).toEqual(
        [
          [tenant, queued, false],
          ['', left, true],
        ].toSorted(),
      );
      for (const claim of claims) {
        expect(claim?.response).toMatchObject({ open: true, abandoned: false, cancelled: false });
        expect(texts(claim!.response.input)).toEqual(['one', 'two']);
      }
      expect(await store.claim('i', long)).toBeNull();
      expect(await store.claim('h', long)).toBeNull();
      expect(await append(held, 0, ['x'])).toBe('done');
    });

    test('finds again what the one who claimed it has left', async () => {
      const { store, other } = under();
      await drain();
      const id = await made({ open: null });
      expect((await store.claim('i', 1))?.response.id).toBe(id);
      let again: ClaimedResponse | null = null;
      await until(async () => (again = await other.claim('j', long)) !== null);
      expect(again).toMatchObject({ wasBegun: true, response: { id } });
    });

    test('finds what was left although it had been renewed before', async () => {
      const { store } = under();
      await drain();
      const id = await made({ open: { holder: 'h', leaseMs: 1 } });
      await append(id, 0, ['a']);
      expect(await store.claim('i', long)).toBeNull();
      // One who stops gives back what it has.
      expect(await store.extend('', id, 'h', 0)).toBe('done');
      await until(async () => (await store.claim('i', long))?.response.id === id);
    });

    test('passes over what is deleted or has expired', async () => {
      const { store, advance, nowUs } = under();
      await drain();
      await made({ open: null, expiresUs: nowUs() + 10e6 });
      await store.delete('', await made({ open: null }));
      const stays = await made({ open: null });
      advance(20);
      expect((await store.claim('i', long))?.response.id).toBe(stays);
      expect(await store.claim('i', long)).toBeNull();
    });

    test('by many at once gives each to one, and leaves none', async () => {
      const { store, other } = under();
      await drain();
      const ids = await Promise.all(Array.from({ length: 40 }, () => made({ open: null })));
      const claimed: string[] = [];
      await Promise.all(
        Array.from({ length: 6 }, async (_, i) => {
          for (;;) {
            const claim = await (i % 2 === 0 ? store : other).claim(`h${i}`, long);
            if (claim === null) return;
            claimed.push(claim.response.id);
          }
        }),
      );
      expect(claimed.toSorted()).toEqual(ids.toSorted());
    });
  });

  describe('an item', () => {
    test('is found by its id, by its tenant alone, until it expires', async () => {
      const { store, other, advance, nowUs } = under();
      const tenant = randomUUID();
      const { id, createdUs } = facts();
      const ids = Array.from({ length: 200 }, (_, i) => `msg_${randomUUID()}:{${i}}`);
      await store.indexItems(tenant, { id, createdUs, expiresUs: nowUs() + 50e6 }, ids);
      await store.indexItems(tenant, { id, createdUs, expiresUs: nowUs() + 50e6 }, ids);
      for (const item of ids) expect(await other.findItem(tenant, item)).toBe(id);
      expect(await store.findItem('', ids[0]!)).toBeNull();
      expect(await store.findItem(tenant, randomUUID())).toBeNull();
      advance(50);
      expect(await store.findItem(tenant, ids[0]!)).toBeNull();
      await store.indexItems(tenant, { id, createdUs, expiresUs: nowUs() - 1 }, ids);
      expect(await store.findItem(tenant, ids[0]!)).toBeNull();
    });

    test('of two responses is found in the later one', async () => {
      const { store } = under();
      const item = randomUUID();
      const [one, two] = [facts(), facts()];
      await store.indexItems('', one, [item]);
      await store.indexItems('', two, [item]);
      expect(await store.findItem('', item)).toBe(two.id);
    });
  });

  conversationSuite(under);
}
