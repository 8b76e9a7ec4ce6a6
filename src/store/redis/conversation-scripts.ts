import { script } from './connection.ts';
import { packedSize } from './response-scripts.ts';

// A conversation is a hash (created, expires, metadata, bytes, next), a hash of its packed items by id, and a sorted set of those ids by the
// number that each one got when it was added: KEYS 1 to 3. Times are microseconds of the gateway's clock.

/** Begins those scripts that need a conversation. ARGV: now. */
const whenThere = (otherwise: string): string => `
local expires = redis.call('HGET', KEYS[1], 'expires')
if not expires or tonumber(expires) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  ${otherwise}
end`;

/** Adds items, ids and packed bodies in turn from ARGV `first` on; those that are there stay as they are. */
const add = `
local function add(first)
  local grown = 0
  for i = first, #ARGV, 2 do
    if redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) == 1 then
      redis.call('ZADD', KEYS[3], redis.call('HINCRBY', KEYS[1], 'next', 1), ARGV[i])
      grown = grown + packedSize(ARGV[i + 1])
    end
  end
  redis.call('HINCRBY', KEYS[1], 'bytes', grown)
  for i = 1, 3 do redis.call('PEXPIREAT', KEYS[i], math.ceil(tonumber(redis.call('HGET', KEYS[1], 'expires')) / 1000)) end
end`;

/** The items of ids, after what reply has already. */
const items = `
for _, id in ipairs(ids) do
  reply[#reply + 1] = id
  reply[#reply + 1] = redis.call('HGET', KEYS[2], id)
end
return reply`;

/** ARGV: now, created, expires, metadata, items. One that is there is the same one, whose making was not heard of. */
export const create = script(`${packedSize}${add}
local there = redis.call('HGET', KEYS[1], 'expires')
if there and tonumber(there) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'created', ARGV[2], 'expires', ARGV[3], 'metadata', ARGV[4], 'bytes', #ARGV[4], 'next', 0)
add(5)
return 1`);

/** ARGV: now. */
export const read = script(`${whenThere('return false')}
return redis.call('HMGET', KEYS[1], 'created', 'expires', 'metadata')`);

/** ARGV: now, metadata. */
export const update = script(`${whenThere('return 0')}
redis.call('HINCRBY', KEYS[1], 'bytes', #ARGV[2] - redis.call('HSTRLEN', KEYS[1], 'metadata'))
redis.call('HSET', KEYS[1], 'metadata', ARGV[2])
return 1`);

/** ARGV: now. */
export const remove = script(`${whenThere('return 0')}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return 1`);

/** ARGV: now. */
export const all = script(`${whenThere('return false')}
local ids, reply = redis.call('ZRANGE', KEYS[3], 0, -1), {}${items}`);

/** ARGV: now, limit, id to start after or '', whether ascending. Returns whether there are more, then the items. */
export const list = script(`${whenThere('return false')}
local rank, range = 'ZREVRANK', 'ZREVRANGE'
if ARGV[4] == '1' then rank, range = 'ZRANK', 'ZRANGE' end
local from = 0
if ARGV[3] ~= '' then
  local place = redis.call(rank, KEYS[3], ARGV[3])
  if not place then return false end
  from = place + 1
end
local limit = tonumber(ARGV[2])
local ids = redis.call(range, KEYS[3], from, from + limit)
local reply = {#ids > limit and '1' or '0'}
ids[limit + 1] = nil${items}`);

/** ARGV: now, item. */
export const readItem = script(`${whenThere('return false')}
return redis.call('HGET', KEYS[2], ARGV[2])`);

/** ARGV: now, most bytes, items before or '', items. When all of them are there just so it has been done before. */
export const append = script(`${packedSize}${add}
${whenThere("return 'gone'")}
local bytes, given, there, same = tonumber(redis.call('HGET', KEYS[1], 'bytes')), 0, 0, 0
for i = 4, #ARGV, 2 do
  local body = redis.call('HGET', KEYS[2], ARGV[i])
  given = given + 1
  if body then there = there + 1 end
  if body == ARGV[i + 1] then same = same + 1 end
  bytes = bytes + packedSize(ARGV[i + 1])
end
if given > 0 and same == given then return 'saved' end
if there > 0 then return 'lost' end
if ARGV[3] ~= '' and redis.call('ZCARD', KEYS[3]) ~= tonumber(ARGV[3]) then return 'lost' end
if given > 0 and bytes > tonumber(ARGV[2]) then return 'full' end
add(4)
return 'saved'`);

/** ARGV: now, item. */
export const removeItem = script(`${packedSize}
${whenThere('return 0')}
local body = redis.call('HGET', KEYS[2], ARGV[2])
if not body then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('HINCRBY', KEYS[1], 'bytes', -packedSize(body))
return 1`);
