import { script } from './connection.ts';

// A session is a hash (created, expires, context, bytes, saved), a list of its messages and, while a call has it, a lock: KEYS 1 to 3.
// Times are microseconds of the gateway's clock; they, and not Redis's own expiry, say what is there.

/** ARGV: created, expires, context. */
export const create = script(`
redis.call('HSET', KEYS[1], 'created', ARGV[1], 'expires', ARGV[2], 'context', ARGV[3], 'bytes', #ARGV[3])
redis.call('PEXPIREAT', KEYS[1], math.ceil(tonumber(ARGV[2]) / 1000))
return 1`);

/** Begins those scripts that need a session. ARGV: now. */
const whenThere = (otherwise: string): string => `
local expires = redis.call('HGET', KEYS[1], 'expires')
if not expires or tonumber(expires) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2])
  ${otherwise}
end`;

/** The hash's fields and the messages after what `reply` has already. */
const whole = `
for _, value in ipairs(redis.call('HMGET', KEYS[1], 'created', 'expires', 'context', 'bytes')) do
  reply[#reply + 1] = value
end
for _, message in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  reply[#reply + 1] = message
end
return reply`;

/** ARGV: now, created, expires, context. Returns whether it was made. */
export const ensure = script(`
local expires = redis.call('HGET', KEYS[1], 'expires')
if expires and tonumber(expires) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'created', ARGV[2], 'expires', ARGV[3], 'context', ARGV[4], 'bytes', #ARGV[4])
redis.call('PEXPIREAT', KEYS[1], math.ceil(tonumber(ARGV[3]) / 1000))
return 1`);

/** ARGV: now. */
export const read = script(`${whenThere('return false')}
local reply = {}${whole}`);

/** ARGV: now. Returns when it was created. */
export const remove = script(`
local created = redis.call('HGET', KEYS[1], 'created')
${whenThere('created = false')}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return created`);

/** ARGV: now, holder, ttl. */
export const lock = script(`${whenThere("return {'gone'}")}
local owner = redis.call('GET', KEYS[3])
if owner and owner ~= ARGV[2] then return {'busy'} end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
local reply = {'locked'}${whole}`);

/** ARGV: holder, ttl. A lock that ran out is not taken again: this may come late, after the call. */
export const extend = script(`
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return 1`);

/** ARGV: holder. */
export const unlock = script(`
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[3])
return 1`);

/**
 * ARGV: now, holder, messages before, most bytes, whether there is a context, context, messages. A lock that ran out does no harm as
 * long as nobody else has it and nothing was added.
 */
export const append = script(`
local owner = redis.call('GET', KEYS[3])
if owner == ARGV[2] then redis.call('DEL', KEYS[3]) end
if redis.call('HGET', KEYS[1], 'saved') == ARGV[2] then return 'saved' end
${whenThere("return 'gone'")}
if (owner and owner ~= ARGV[2]) or redis.call('LLEN', KEYS[2]) ~= tonumber(ARGV[3]) then return 'lost' end
local bytes = tonumber(redis.call('HGET', KEYS[1], 'bytes'))
for i = 7, #ARGV do bytes = bytes + #ARGV[i] end
if ARGV[5] == '1' then bytes = bytes + #ARGV[6] - redis.call('HSTRLEN', KEYS[1], 'context') end
if bytes > tonumber(ARGV[4]) then return 'full' end
for i = 7, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
if ARGV[5] == '1' then redis.call('HSET', KEYS[1], 'context', ARGV[6]) end
redis.call('HSET', KEYS[1], 'bytes', bytes, 'saved', ARGV[2])
redis.call('PEXPIREAT', KEYS[2], math.ceil(tonumber(expires) / 1000))
return 'saved'`);

// The index of a tenant: its sessions by time and by expiry, KEYS 1 and 2.

/** ARGV: entry, expires, now, most expired entries to clear away. No session lives longer than the index does without new ones. */
export const enlist = script(`
local expired = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3], 'LIMIT', 0, ARGV[4])
for _, entry in ipairs(expired) do
  redis.call('ZREM', KEYS[1], entry)
  redis.call('ZREM', KEYS[2], entry)
end
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ${31 * 24 * 3_600_000}) end
return 1`);

/** ARGV: entries. */
export const delist = script(`
for _, entry in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], entry)
  redis.call('ZREM', KEYS[2], entry)
end
return 1`);
