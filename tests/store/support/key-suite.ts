import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ApiKey } from '../../../src/auth/api-key.ts';
import { hashOf } from '../../../src/auth/secret-form.ts';
import type { KeyStore } from '../../../src/auth/store.ts';

export interface KeyStoresUnderTest {
  readonly store: KeyStore;
  /** A second process's view of the same data. */
  readonly other: KeyStore;
}

let made = 0;
const keyOf = (changes: Partial<ApiKey> = {}): ApiKey => ({
  id: `key_${String(made++).padStart(19, '0')}`,
  hash: hashOf(randomUUID()),
  hint: 'lgw_abcd',
  name: 'ä "quoted" 😀',
  owner: 'o',
  tenant: 't',
  rateClass: 'default',
  models: ['a*'],
  budget: { usd: 12.5, per: 'month' },
  admin: false,
  expiresMs: 1_900_000_000_000,
  disabled: false,
  createdMs: 1_700_000_000_000,
  revokedMs: null,
  revision: 1,
  ...changes,
});
const most = 1_000;

/** What every store of keys has to do. */
export function keySuite(under: () => KeyStoresUnderTest): void {
  const stored = async (changes: Partial<ApiKey> = {}): Promise<ApiKey> => {
    const key = keyOf(changes);
    expect(await under().store.create(key, most)).toBe('created');
    return key;
  };

  describe('a key', () => {
    test('is found by its hash and its id as it was made, by every process at once', async () => {
      const key = await stored();
      expect(await under().other.find(key.hash)).toEqual(key);
      expect(await under().other.read(key.id)).toEqual({ key, usedMs: 0 });
      expect(await under().store.find(hashOf('other'))).toBeNull();
      expect(await under().store.read('key_x')).toBeNull();
      expect(await under().store.find('')).toBeNull();
    });

    test('is made once for an id and for a hash', async () => {
      const key = await stored();
      expect(await under().other.create(keyOf({ id: key.id }), most)).toBe('taken');
      expect(await under().other.create(keyOf({ hash: key.hash }), most)).toBe('taken');
      expect(await under().store.find(key.hash)).toEqual(key);
    });

    test('is replaced by the one that comes after it only', async () => {
      const key = await stored();
      const next = { ...key, disabled: true, models: null, revision: 2 };
      expect(await under().other.replace(next)).toBe('done');
      expect(await under().store.find(key.hash)).toEqual(next);
      expect(await under().store.replace({ ...key, name: 'late', revision: 2 })).toBe('changed');
      expect(await under().store.replace(keyOf())).toBe('gone');
      expect(await under().store.find(key.hash)).toEqual(next);
    });

    test('is changed by one of many at once', async () => {
      const key = await stored();
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (i % 2 ? under().store : under().other).replace({ ...key, name: `${i}`, revision: 2 }),
        ),
      );
      expect(results.filter((result) => result === 'done').length).toBe(1);
    });

    test('is gone once removed', async () => {
      const key = await stored();
      expect(await under().other.remove(key.id)).toBe(true);
      expect(await under().other.remove(key.id)).toBe(false);
      expect(await under().store.find(key.hash)).toBeNull();
      expect(await under().store.read(key.id)).toBeNull();
      expect(await under().store.create(key, most)).toBe('created');
    });

    test('says when it was last used', async () => {
      const [one, two] = [await stored(), await stored()];
      await under().store.used(
        new Map([
          [one.id, 5_000],
          ['nobody', 1],
        ]),
      );
      await under().other.used(
        new Map([
          [one.id, 4_000],
          [two.id, 7_000],
        ]),
      );
      expect((await under().store.read(one.id))?.usedMs).toBe(5_000);
      expect((await under().store.read(two.id))?.usedMs).toBe(7_000);
      await under().store.used(new Map(Array.from({ length: 1_500 }, (_, i) => [`nobody ${i}`, 1] as const)));
      expect(await under().store.read('nobody')).toBeNull();
    });
  });

  test('the list is newest first, a page at a time', async () => {
    const keys: ApiKey[] = [];
    for (let i = 0; i < 5; i++) keys.push(await stored());
    const found: string[] = [];
    let after = '';
    for (let page = 0; page < 3; page++) {
      const { keys: some, next } = await under().other.list(2, after);
      found.push(...some.map(({ key }) => key.id));
      after = next;
    }
    expect(found.slice(0, 5)).toEqual(keys.map(({ id }) => id).reverse());
    const all = await under().store.list(1_000, '');
    expect(all.next).toBe('');
    const last = all.keys.at(-1)?.key.id ?? '';
    expect(await under().store.list(1, last)).toEqual({ keys: [], next: '' });
  });

  test('there are as many as there may be, however many are made at once', async () => {
    const { length } = (await under().store.list(1_000, '')).keys;
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? under().store : under().other).create(keyOf(), length + 5),
      ),
    );
    expect(results.filter((result) => result === 'created').length).toBe(5);
    expect(results.filter((result) => result === 'full').length).toBe(15);
  });
}
