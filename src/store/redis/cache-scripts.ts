import { script } from './connection.ts';

// A shard has its entries, and three keys besides: a sorted set of their hashes by expiry in milliseconds, a hash from each to
// "<bytes> <made> <name as JSON>", and the sum of the bytes.
// KEYS: expiries, names, bytes. ARGV[1]: what the keys of entries begin with.

/** Takes one out, wherever it still is. */
const drop = `
local function drop(hash)
  local known = redis.call('HGET', KEYS[2], hash)
  if known then
    redis.call('HDEL', KEYS[2], hash)
    redis.call('DECRBY', KEYS[3], string.match(known, '^%d+'))
  end
  redis.call('ZREM', KEYS[1], hash)
  return redis.call('UNLINK', ARGV[1] .. hash)
end`;

const now = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/** ARGV: hash, value, life in milliseconds, name, most entries, most bytes. What is over the bounds, or has expired, goes some at a time. */
export const put = script(`${drop}${now}
local hash = ARGV[2]
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 100)) do drop(old) end
drop(hash)
local expires = now + tonumber(ARGV[4])
redis.call('SET', ARGV[1] .. hash, ARGV[3], 'PX', ARGV[4])
redis.call('ZADD', KEYS[1], expires, hash)
redis.call('HSET', KEYS[2], hash, #ARGV[3] .. ' ' .. string.format('%.0f', now) .. ' ' .. ARGV[5])
redis.call('INCRBY', KEYS[3], #ARGV[3])
for _ = 1, 100 do
  if redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[6]) and tonumber(redis.call('GET', KEYS[3]) or 0) <= tonumber(ARGV[7]) then break end
  local first = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
  if not first then break end
  drop(first)
end
for i = 1, 3 do
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return 1`);

/** ARGV: hashes. Returns how many of them were there. */
export const remove = script(`${drop}
local removed = 0
for i = 2, #ARGV do removed = removed + drop(ARGV[i]) end
return removed`);

/** Returns how many there are, their bytes, and when the oldest and the newest were made, as ages in milliseconds. */
export const status = script(`${drop}${now}
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)) do drop(old) end
local function age(at)
  local hash = redis.call('ZRANGE', KEYS[1], at, at)[1]
  local known = hash and redis.call('HGET', KEYS[2], hash)
  return known and now - tonumber(string.match(known, '^%d+ (%d+)')) or -1
end
return { redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[3]) or 0), age(0), age(-1) }`);
