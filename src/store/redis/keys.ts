import { type ApiKey, decodeKey, encodeKey } from '../../auth/api-key.ts';
import type { KeyPage, KeyStore, StoredKey } from '../../auth/store.ts';
import { type RedisConnection, script } from './connection.ts';

// All keys are in one slot: they are few, and gateways remember those in use. KEYS: a hash from ids to keys, one from hashes to ids, the ids in order,
// a hash from ids to when they were last used.
const keys = ['bodies', 'hashes', 'order', 'used'].map((name) => `llmgateway:keys:{keys}:${name}`);

/** ARGV: id, hash, key, most. */
const create = script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 or redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return 'taken' end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then return 'full' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
redis.call('ZADD', KEYS[3], 0, ARGV[1])
return 'created'`);

/** ARGV: hash. */
const find = script(`
local id = redis.call('HGET', KEYS[2], ARGV[1])
return id and redis.call('HGET', KEYS[1], id)`);

/** ARGV: where to begin, how many. Pairs of keys and times. */
const list = script(`
local ids = redis.call('ZREVRANGEBYLEX', KEYS[3], ARGV[1], '-', 'LIMIT', 0, ARGV[2])
local reply = {}
for _, id in ipairs(ids) do
  reply[#reply + 1] = redis.call('HGET', KEYS[1], id)
  reply[#reply + 1] = redis.call('HGET', KEYS[4], id) or '0'
end
return reply`);

/** ARGV: id. */
const read = script(`
local body = redis.call('HGET', KEYS[1], ARGV[1])
if not body then return false end
return {body, redis.call('HGET', KEYS[4], ARGV[1]) or '0'}`);

/** ARGV: id, key, the revision before it. */
const replace = script(`
local body = redis.call('HGET', KEYS[1], ARGV[1])
if not body then return 'gone' end
if cjson.decode(body).revision ~= tonumber(ARGV[3]) then return 'changed' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 'done'`);

/** ARGV: id. */
const remove = script(`
local body = redis.call('HGET', KEYS[1], ARGV[1])
if not body then return 0 end
redis.call('HDEL', KEYS[2], cjson.decode(body).hash)
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1`);

/** ARGV: pairs of ids and times. */
const used = script(`
for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    local before = tonumber(redis.call('HGET', KEYS[4], ARGV[i]) or '0')
    if before < tonumber(ARGV[i + 1]) then redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
  end
end
return 1`);

/** Times that are written in one step. */
const batch = 500;

/** Keys of clients in Redis. */
export class RedisKeys implements KeyStore {
  readonly #redis: RedisConnection;

  constructor(redis: RedisConnection) {
    this.#redis = redis;
  }

  async create(key: ApiKey, most: number): Promise<'created' | 'taken' | 'full'> {
    const args = [key.id, key.hash, encodeKey(key), most];
    return String(await this.#redis.run(create, keys, args)) as 'created' | 'taken' | 'full';
  }

  async find(hash: string): Promise<ApiKey | null> {
    const body = await this.#redis.run(find, keys, [hash]);
    return body === null ? null : decodeKey(String(body));
  }

  async read(id: string): Promise<StoredKey | null> {
    const reply = (await this.#redis.run(read, keys, [id])) as Buffer[] | null;
    return reply === null ? null : storedOf(reply[0], reply[1]);
  }

  async list(limit: number, after: string): Promise<KeyPage> {
    const reply = (await this.#redis.run(list, keys, [
      after === '' ? '+' : `(${after}`,
      limit + 1,
    ])) as Buffer[];
    const all: StoredKey[] = [];
    for (let i = 0; i < reply.length; i += 2) all.push(storedOf(reply[i], reply[i + 1]));
    const page = all.slice(0, limit);
    return { keys: page, next: all.length > limit ? (page.at(-1)?.key.id ?? '') : '' };
  }

  async replace(key: ApiKey): Promise<'done' | 'gone' | 'changed'> {
    const args = [key.id, encodeKey(key), key.revision - 1];
    return String(await this.#redis.run(replace, keys, args)) as 'done' | 'gone' | 'changed';
  }

  async remove(id: string): Promise<boolean> {
    return (await this.#redis.run(remove, keys, [id])) === 1;
  }

  async used(times: ReadonlyMap<string, number>): Promise<void> {
    const all = [...times].flat();
    for (let at = 0; at < all.length; at += 2 * batch)
      await this.#redis.run(used, keys, all.slice(at, at + 2 * batch));
  }
}

const storedOf = (body: Buffer | undefined, usedMs: Buffer | undefined): StoredKey => ({
  key: decodeKey(String(body)),
  usedMs: Number(usedMs),
});
