import { expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { ApiKey } from '../../src/auth/api-key.ts';
import { KnownKeys } from '../../src/auth/known-keys.ts';
import { hashOf, newSecret } from '../../src/auth/secret-form.ts';
import type { KeyStore } from '../../src/auth/store.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';

const keyOf = (secret: string, changes: Partial<ApiKey> = {}): ApiKey => ({
  id: 'k',
  hash: hashOf(secret),
  hint: '',
  name: '',
  owner: 'k',
  tenant: 'k',
  rateClass: 'default',
  models: null,
  budget: null,
  admin: false,
  expiresMs: null,
  disabled: false,
  createdMs: 0,
  revokedMs: null,
  revision: 1,
  ...changes,
});

/** A store whose answers the test decides. */
function setUp() {
  const keys = new Map<string, ApiKey>();
  const state = { now: 1_000, asked: 0, down: false, held: null as Promise<void> | null };
  const store = {
    async find(hash: string) {
      state.asked++;
      await state.held;
      if (state.down) throw new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, 'down');
      return keys.get(hash) ?? null;
    },
  } as unknown as KeyStore;
  const known = new KnownKeys({
    store,
    freshMs: () => 5_000,
    graceMs: () => 60_000,
    now: () => state.now,
  });
  const add = (changes: Partial<ApiKey> = {}): ApiKey => {
    const key = keyOf(newSecret(), changes);
    keys.set(key.hash, key);
    return key;
  };
  return { keys, state, known, add };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a known key is found at once, and the same object', async () => {
  const { state, known, add } = setUp();
  const { hash } = add();
  const first = await known.find(hash);
  const again = known.find(hash);
  expect(again).toBe(first);
  expect(state.asked).toBe(1);
});

test('a key in use is read again in the background, and keeps its principal while it is the same', async () => {
  const { state, known, add } = setUp();
  const { hash } = add();
  const first = await known.find(hash);
  state.now += 3_000;
  expect(known.find(hash)).toBe(first);
  await settled();
  expect(state.asked).toBe(2);
  state.now += 3_000;
  const again = known.find(hash);
  expect(again).toBe(first);
});

test('a change is seen within the time that is stated', async () => {
  const { keys, state, known, add } = setUp();
  const key = add();
  await known.find(key.hash);
  keys.set(key.hash, { ...key, revokedMs: 1, revision: 2 });
  state.now += 5_000;
  expect((await known.find(key.hash))?.key.revokedMs).toBe(1);
  keys.delete(key.hash);
  state.now += 5_000;
  expect(await known.find(key.hash)).toBeNull();
});

test('while the store is away known keys go on for their time, and unknown ones are not said to be wrong', async () => {
  const { state, known, add } = setUp();
  const key = add();
  const other = add();
  await known.find(key.hash);
  state.down = true;
  state.now += 30_000;
  expect((await known.find(key.hash))?.key.id).toBe('k');
  await expect((async () => known.find(other.hash))()).rejects.toMatchObject({
    reason: ErrorReason.DEPENDENCY_UNAVAILABLE,
  });
  state.now += 40_000;
  await expect((async () => known.find(key.hash))()).rejects.toMatchObject({
    reason: ErrorReason.DEPENDENCY_UNAVAILABLE,
  });
  state.down = false;
  expect((await known.find(other.hash))?.key.hash).toBe(other.hash);
  expect((await known.find(key.hash))?.key.hash).toBe(key.hash);
});

test('an unknown key is asked for once, by many at the same time and for a while', async () => {
  const { state, known, keys } = setUp();
  const hash = hashOf('nobody’s');
  await Promise.all(Array.from({ length: 50 }, async () => expect(await known.find(hash)).toBeNull()));
  expect(known.find(hash)).toBeNull();
  expect(state.asked).toBe(1);
  keys.set(hash, keyOf('nobody’s'));
  state.now += 5_000;
  expect((await known.find(hash))?.key.hash).toBe(hash);
});

test('a flood of invented keys asks the store for a few at a time, and pushes no real key out', async () => {
  const { state, known, add } = setUp();
  const { hash } = add();
  await known.find(hash);
  let release = (): void => {};
  state.held = new Promise((resolve) => {
    release = resolve;
  });
  const before = state.asked;
  const outcomes = Array.from({ length: 1_000 }, async (_, i) => known.find(hashOf(`${i}`)));
  const all = Promise.allSettled(outcomes);
  await settled();
  expect(state.asked - before).toBe(64);
  expect(known.find(hash)).not.toBeInstanceOf(Promise);
  release();
  const results = await all;
  expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(64);
  const rejected = results.find((result) => result.status === 'rejected');
  expect(rejected?.reason).toMatchObject({ reason: ErrorReason.OVERLOADED });
  state.held = null;
  for (let i = 0; i < 30_000; i++) await known.find(hashOf(`more ${i}`));
  expect(known.find(hash)).not.toBeInstanceOf(Promise);
});

test('what is forgotten is read anew', async () => {
  const { keys, known, add } = setUp();
  const key = add();
  await known.find(key.hash);
  keys.set(key.hash, { ...key, disabled: true, revision: 2 });
  known.forget(key.hash);
  expect((await known.find(key.hash))?.key.disabled).toBe(true);
});
