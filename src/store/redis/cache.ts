import {
  type CacheBounds,
  type CacheStore,
  type EntryFilter,
  type EntryName,
  fitsFilter,
  type StoreStatus,
} from '../../cache/store.ts';
import { pack, unpack } from '../packed.ts';
import * as scripts from './cache-scripts.ts';
import type { RedisConnection } from './connection.ts';

/** By the first digit of the key, so that a Cluster's nodes share them and a script has what it needs in one slot. */
const shards = [...'0123456789abcdef'];
/** Entries that are looked through, and deleted, at a time. */
const pageSize = 500;

/** Answers in Redis, which gateways share. Reading one is one GET; the oldest are put out first. */
export class RedisCache implements CacheStore {
  readonly #redis: RedisConnection;
  readonly #maxEntries: number;
  readonly #maxBytes: number;

  constructor(redis: RedisConnection, { maxEntries, maxBytes }: CacheBounds) {
    this.#redis = redis;
    this.#maxEntries = Math.ceil(maxEntries / shards.length);
    this.#maxBytes = Math.ceil(maxBytes / shards.length);
  }

  async get(key: string): Promise<Uint8Array | null> {
    const packed = (await this.#redis.command('GET', prefixOf(key[0] as string) + key)) as Buffer | null;
    return packed === null ? null : unpack(packed);
  }

  async put(key: string, value: Uint8Array, name: EntryName, ttlMs: number): Promise<void> {
    const { tenant, owner, model } = name;
    const shard = key[0] as string;
    const packed = await pack(value);
    // It would put out all others, and itself.
    if (packed.length > this.#maxBytes) return;
    const args = [prefixOf(shard), key, packed, ttlMs, JSON.stringify([tenant, owner, model])];
    await this.#redis.run(scripts.put, keysOf(shard), [...args, this.#maxEntries, this.#maxBytes]);
  }

  async clear(filter: EntryFilter): Promise<number> {
    const counts = await Promise.all(shards.map((shard) => this.#clear(shard, filter)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async status(): Promise<StoreStatus> {
    const answers = await Promise.all(
      shards.map((shard) => this.#redis.run(scripts.status, keysOf(shard), [prefixOf(shard)])),
    );
    const all = (answers as number[][]).filter(([entries = 0]) => entries > 0);
    const sum = (at: number): number => all.reduce((total, numbers) => total + (numbers[at] as number), 0);
    const ages = (at: number): number[] =>
      all.map((numbers) => numbers[at] as number).filter((age) => age >= 0);
    const [oldest, newest] = [ages(2), ages(3)];
    return {
      entries: sum(0),
      bytes: sum(1),
      oldestMs: oldest.length === 0 ? null : Math.max(...oldest),
      newestMs: newest.length === 0 ? null : Math.min(...newest),
      averageUses: null,
    };
  }

  async #clear(shard: string, filter: EntryFilter): Promise<number> {
    const keys = keysOf(shard);
    const found = new Set<string>();
    for (let cursor = '0'; ; ) {
      const page = await this.#redis.command('HSCAN', keys[1] as string, cursor, 'COUNT', pageSize);
      const [next, fields] = page as [Buffer, Buffer[]];
      for (let i = 0; i + 1 < fields.length; i += 2) {
        const key = String(fields[i]);
        if (fitsFilter(filter, nameIn(String(fields[i + 1])), key)) found.add(key);
      }
      cursor = String(next);
      if (cursor === '0') break;
    }
    const all = [...found];
    let cleared = 0;
    for (let at = 0; at < all.length; at += pageSize) {
      const some = all.slice(at, at + pageSize);
      cleared += Number(await this.#redis.run(scripts.remove, keys, [prefixOf(shard), ...some]));
    }
    return cleared;
  }
}

/** What keys of entries begin with. */
const prefixOf = (shard: string): string => `llmgateway:cache:{cache/${shard}}:`;

const keysOf = (shard: string): string[] =>
  ['expiries', 'names', 'bytes'].map((name) => `llmgateway:cache-index:{cache/${shard}}:${name}`);

function nameIn(text: string): EntryName {
  const [tenant = '', owner = '', model = ''] = JSON.parse(text.replace(/^\d+ \d+ /, '')) as string[];
  return { tenant, owner, model };
}
