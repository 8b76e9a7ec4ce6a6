import type { Memo, MemoStore } from '../../memory/store.ts';
import { pack, unpack } from '../packed.ts';
import { type RedisConnection, script } from './connection.ts';

/** A memo whose life begins anew: KEYS 1. ARGV: milliseconds. */
const read = script(`
local body = redis.call('GET', KEYS[1])
if body then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return body`);

/** Memos in Redis, each a key that expires. They are all over a Cluster; what is asked at the same time goes out together. */
export class RedisMemos implements MemoStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async write(memos: readonly Memo[], ttlMs: number): Promise<void> {
    const bodies = await Promise.all(memos.map(({ body }) => pack(body)));
    await Promise.all(
      memos.map(({ key }, i) => this.#redis.command('SET', keyOf(key), bodies[i]!, 'PX', Math.ceil(ttlMs))),
    );
  }

  async read(keys: readonly string[], ttlMs: number): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    await Promise.all(
      keys.map(async (key) => {
        const body = (await this.#redis.run(read, [keyOf(key)], [Math.ceil(ttlMs)])) as Buffer | null;
        if (body !== null) found.set(key, await unpack(body));
      }),
    );
    return found;
  }
}

const keyOf = (key: string): string => `llmgateway:memo:${key}`;
