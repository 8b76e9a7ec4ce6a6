import { script } from './connection.ts';

// A response is a hash (created, expires, body, bytes, count, open, holder, until, begun, cancelled, maker), its packed input and a list of its
// events: KEYS 1 to 3. Events are numbered without gaps, so that a list's places are their numbers; a stream would have to be told its ids
// one by one and could not be compared or cut by number.
//
// Times are microseconds of the gateway's clock; they, and not Redis's own expiry, say what is there. Leases alone (`until`) are
// milliseconds of Redis's clock, since the gateways that watch each other's do not have the same one. `until` of one that nobody began is
// without meaning: its holder is ''.

/** How many bytes were packed; see packed.ts. */
export const packedSize = `
local function packedSize(packed)
  if string.byte(packed, 1) == 0 then return #packed - 1 end
  local a, b, c, d = string.byte(packed, 2, 5)
  return ((a * 256 + b) * 256 + c) * 256 + d
end`;

const clock = `
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)`;

const fields = ['expires', 'open', 'holder', 'until', 'count', 'bytes', 'cancelled', 'begun', 'created'];

/** Begins those scripts that need a response. ARGV: now. */
const whenThere = (otherwise: string): string => `
local stored = redis.call('HMGET', KEYS[1], ${fields.map((field) => `'${field}'`).join(', ')})
local expires, open, holder, untilMs, count, bytes, cancelled, begun, created = unpack(stored)
if not expires or tonumber(expires) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  ${otherwise}
end
${clock}
local isOpen = open == '1'
local isFree = holder == '' or tonumber(untilMs) <= clock
local isAbandoned = (isOpen and holder ~= '' and isFree) and '1' or '0'
local result = cancelled == '1' and 'cancelled' or 'done'`;

/** The response, after what `reply` has already. */
const whole = `
local input = redis.call('GET', KEYS[2])
for _, value in ipairs({created, expires, redis.call('HGET', KEYS[1], 'body'), open, isAbandoned, cancelled, count, holder, input or '', redis.call('HGET', KEYS[1], 'maker') or ''}) do
  reply[#reply + 1] = value
end
return reply`;

/**
 * ARGV: now, created, expires, body, input, bytes, open, holder, lease, maker. One that is there is the same one, whose making was not heard of; it
 * may have gone on since.
 */
export const create = script(`
local there = redis.call('HGET', KEYS[1], 'expires')
if there and tonumber(there) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
${clock}
redis.call('HSET', KEYS[1], 'created', ARGV[2], 'expires', ARGV[3], 'body', ARGV[4], 'bytes', ARGV[6], 'count', 0, 'open', ARGV[7],
  'holder', ARGV[8], 'until', clock + ARGV[9], 'begun', 0, 'cancelled', 0, 'maker', ARGV[10])
redis.call('SET', KEYS[2], ARGV[5])
for i = 1, 2 do redis.call('PEXPIREAT', KEYS[i], math.ceil(tonumber(ARGV[3]) / 1000)) end
return 1`);

/** ARGV: now. */
export const read = script(`${whenThere('return false')}
local reply = {}${whole}`);

/** ARGV: now. Returns when it was created. */
export const remove = script(`${whenThere('return false')}
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return created`);

/**
 * ARGV: now, holder, events before, most bytes, lease, body or '' when it goes on, events. Events that the log has already are compared and
 * not added again. A lease that ran out does no harm as long as nobody else has the response.
 */
export const step = script(`${packedSize}
${whenThere("return {'gone'}")}
if ARGV[2] == '' or holder ~= ARGV[2] then return {'lost'} end
local after, first, ends = tonumber(ARGV[3]), 7, ARGV[6] ~= ''
local given = #ARGV - first + 1
local had = tonumber(count) - after
if had < 0 or had > given then return {'lost'} end
if had > 0 then
  for i, event in ipairs(redis.call('LRANGE', KEYS[3], after, -1)) do
    if event ~= ARGV[first + i - 1] then return {'lost'} end
  end
end
if not isOpen then return {ends and had == given and result or 'lost'} end
local grown = 0
for i = first + had, #ARGV do grown = grown + #ARGV[i] end
if ends then grown = grown + packedSize(ARGV[6]) - packedSize(redis.call('HGET', KEYS[1], 'body')) end
if grown > 0 and tonumber(bytes) + grown > tonumber(ARGV[4]) then return {'full'} end
for i = first + had, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
redis.call('PEXPIREAT', KEYS[3], math.ceil(tonumber(expires) / 1000))
redis.call('HSET', KEYS[1], 'count', after + given, 'bytes', tonumber(bytes) + grown)
if ends then redis.call('HSET', KEYS[1], 'body', ARGV[6], 'open', 0)
else redis.call('HSET', KEYS[1], 'until', clock + ARGV[5]) end
return {result, created}`);

/** ARGV: now, holder, lease. */
export const extend = script(`${whenThere("return {'gone'}")}
if not isOpen or ARGV[2] == '' or holder ~= ARGV[2] then return {'lost'} end
redis.call('HSET', KEYS[1], 'until', clock + ARGV[3])
return {result, created}`);

/** ARGV: now, from, limit. Returns holder, whether it is open, whether it is abandoned, when it was created, then the events. */
export const events = script(`${whenThere('return false')}
local reply = {holder, open, isAbandoned, created}
if tonumber(ARGV[3]) > 0 then
  for _, event in ipairs(redis.call('LRANGE', KEYS[3], ARGV[2], ARGV[2] + ARGV[3] - 1)) do reply[#reply + 1] = event end
end
return reply`);

/** ARGV: now. */
export const cancel = script(`${whenThere("return {'gone'}")}
if not isOpen then return {'over'} end
redis.call('HSET', KEYS[1], 'cancelled', 1)
return {isFree and 'unheld' or 'asked', created}`);

/** ARGV: now, holder, lease, whether one that the holder has is taken, too. */
export const take = script(`${whenThere("return {'gone'}")}
if not isOpen then return {'over'} end
if isFree then begun = holder == '' and '0' or '1'
elseif ARGV[4] ~= '1' or holder ~= ARGV[2] then return {'held', tostring(tonumber(untilMs) - clock)} end
redis.call('HSET', KEYS[1], 'holder', ARGV[2], 'until', clock + ARGV[3], 'begun', begun)
holder, isAbandoned = ARGV[2], '0'
local reply = {'taken', begun}${whole}`);

// The index of open responses: a sorted set, KEYS 1, of entries by the time at which somebody should look after them, in milliseconds of its
// node's clock.

/** No response lives longer than the index does without new ones. */
const indexMs = 31 * 24 * 3_600_000;

/** ARGV: delay, how, entry. How: 'set' adds or moves it, 'sooner' adds it or moves it forward only, 'move' does not add it. */
export const schedule = script(`${clock}
local there, due = redis.call('ZSCORE', KEYS[1], ARGV[3]), clock + ARGV[1]
if ARGV[2] == 'sooner' and there and tonumber(there) <= due then return 0 end
if ARGV[2] == 'move' and not there then return 0 end
redis.call('ZADD', KEYS[1], due, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ${indexMs})
return 1`);

/** ARGV: limit. Returns those that are due, and since when: entry, milliseconds, and so on. */
export const due = script(`${clock}
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', clock, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 2, #found, 2 do found[i] = tostring(clock - tonumber(found[i])) end
return found`);
