import { script } from './connection.ts';

/**
 * Adds to the totals of a day. KEYS: the batch's mark, a hash for each dimension. ARGV: life of the mark in seconds, life of the hashes in seconds, most names of a
 * hash, the name of the others, how many counters, their names; then for each entry the number of its hash, its name and its counters.
 *
 * A hash has a field for each counter of each name, and '' with the number of its names.
 */
export const add = script(`
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[1]) then return 0 end
local width = tonumber(ARGV[5])
for at = 6 + width, #ARGV, width + 2 do
  local key = KEYS[tonumber(ARGV[at]) + 1]
  local name = ARGV[at + 1]
  if redis.call('HEXISTS', key, ARGV[6] .. ':' .. name) == 0 then
    if tonumber(redis.call('HGET', key, '') or 0) >= tonumber(ARGV[3]) then name = ARGV[4] end
    if redis.call('HEXISTS', key, ARGV[6] .. ':' .. name) == 0 then redis.call('HINCRBY', key, '', 1) end
  end
  for i = 1, width do
    local value = ARGV[at + 1 + i]
    if value ~= '0' or i == 1 then redis.call('HINCRBY', key, ARGV[5 + i] .. ':' .. name, value) end
  end
end
for i = 2, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[2]) end
return 1`);

/** The server's time in milliseconds. */
const now = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)`;

/**
 * A budget is a hash: \`spent\`, \`reserved\`, and what each hold has set aside, under \`hold:\` and its name; and a sorted set of the holds by the
 * end of their lease. Numbers are written with all digits, which Lua does not do by itself.
 */
const account = `
local function num(key, field) return tonumber(redis.call('HGET', key, field) or 0) end
local function put(key, field, value) redis.call('HSET', key, field, string.format('%.0f', value)) end`;

/**
 * KEYS: for each budget its hash and its sorted set. ARGV: hold, amount, lease in milliseconds, then for each budget its limit and when it may be
 * forgotten (0: never). Returns {} or {number of the budget from 0, spent, reserved}.
 */
export const reserve = script(`${now}${account}
for i = 1, #KEYS, 2 do
  local over = redis.call('ZRANGEBYSCORE', KEYS[i + 1], '-inf', now, 'LIMIT', 0, 1000)
  for _, hold in ipairs(over) do
    put(KEYS[i], 'reserved', num(KEYS[i], 'reserved') - num(KEYS[i], 'hold:' .. hold))
    redis.call('HDEL', KEYS[i], 'hold:' .. hold)
    redis.call('ZREM', KEYS[i + 1], hold)
  end
end
local amount = tonumber(ARGV[2])
for i = 1, #KEYS, 2 do
  local spent, reserved = num(KEYS[i], 'spent'), num(KEYS[i], 'reserved')
  local limit = tonumber(ARGV[3 + i])
  if spent + reserved + amount > limit or spent >= limit then
    return {(i - 1) / 2, string.format('%.0f', spent), string.format('%.0f', reserved)}
  end
end
for i = 1, #KEYS, 2 do
  put(KEYS[i], 'reserved', num(KEYS[i], 'reserved') + amount)
  redis.call('HSET', KEYS[i], 'hold:' .. ARGV[1], ARGV[2])
  redis.call('ZADD', KEYS[i + 1], now + tonumber(ARGV[3]), ARGV[1])
  if ARGV[4 + i] ~= '0' then
    redis.call('PEXPIREAT', KEYS[i], ARGV[4 + i])
    redis.call('PEXPIREAT', KEYS[i + 1], ARGV[4 + i])
  end
end
return {}`);

/**
 * KEYS: the settlement's mark, then as in \`reserve\`. ARGV: hold, amount, life of the mark in seconds, then for each budget when it may be forgotten. Returns
 * what was spent before of each, or nothing when it has happened already.
 */
export const settle = script(`${account}
if not redis.call('SET', KEYS[1], 1, 'NX', 'EX', ARGV[3]) then return false end
local amount = tonumber(ARGV[2])
local before = {}
for i = 2, #KEYS, 2 do
  local held = num(KEYS[i], 'hold:' .. ARGV[1])
  if redis.call('ZREM', KEYS[i + 1], ARGV[1]) == 1 then
    redis.call('HDEL', KEYS[i], 'hold:' .. ARGV[1])
    put(KEYS[i], 'reserved', num(KEYS[i], 'reserved') - held)
  end
  local spent = num(KEYS[i], 'spent')
  before[i / 2] = string.format('%.0f', spent)
  if amount > 0 then put(KEYS[i], 'spent', spent + amount) end
  local expires = ARGV[3 + i / 2]
  if expires ~= '0' then redis.call('PEXPIREAT', KEYS[i], expires) end
end
return before`);
