import { numbersOfAccount, windowForms, windowNames } from '../../limits/store.ts';
import { script } from './connection.ts';

const forms = windowNames.map((name) => {
  const { stepMs, steps } = windowForms[name];
  return `{'${name.charAt(0)}', ${stepMs}, ${steps}}`;
});

/**
 * An account is a hash and a sorted set. The set has the calls under way by the end of their lease. In the hash each window is a ring: the places of its first
 * entry (\`h\`) and after its last (\`t\`), the sum (\`s\`), and the entries under their places, as step and amount. Places begin at the time in milliseconds, so that
 * one of a window that was forgotten is never taken for another. ARGV[1] is a test's clock, or ''.
 */
const common = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local forms = {${forms.join(', ')}}
local function int(value) return string.format('%.0f', value) end
local function entry(window, place)
  local step, amount = string.match(redis.call('HGET', window.key, window.name .. int(place)) or '0 0', '(%d+) (%d+)')
  return tonumber(step), tonumber(amount)
end
local function open(key, w)
  local name = forms[w][1]
  local found = redis.call('HMGET', key, name .. 'h', name .. 't', name .. 's')
  local window = {key = key, name = name, step = forms[w][2], steps = forms[w][3],
    h = tonumber(found[1]) or now, t = tonumber(found[2]) or now, s = tonumber(found[3]) or 0}
  local oldest = math.floor(now / window.step) - window.steps
  while window.h < window.t do
    local step, amount = entry(window, window.h)
    if step >= oldest then break end
    redis.call('HDEL', key, name .. int(window.h))
    window.h = window.h + 1
    window.s = window.s - amount
    window.changed = true
  end
  return window
end
local function keep(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
local function save(window)
  local name = window.name
  redis.call('HSET', window.key, name .. 'h', int(window.h), name .. 't', int(window.t), name .. 's', int(window.s))
end
local function add(window, amount)
  local step = math.floor(now / window.step)
  if window.h < window.t then
    local last, more = entry(window, window.t - 1)
    if last == step then
      window.t = window.t - 1
      redis.call('HSET', window.key, window.name .. int(window.t), int(step) .. ' ' .. int(more + amount))
    else
      redis.call('HSET', window.key, window.name .. int(window.t), int(step) .. ' ' .. int(amount))
    end
  else
    redis.call('HSET', window.key, window.name .. int(window.t), int(step) .. ' ' .. int(amount))
  end
  window.t = window.t + 1
  window.s = window.s + amount
  save(window)
  return window.t - 1
end
local function leaves(window, place)
  local step = entry(window, place)
  return (step + window.steps + 1) * window.step - now
end
local function wait(window, amount, limit)
  if amount > limit then return -1 end
  local used = window.s
  for place = window.h, window.t - 1 do
    if used + amount <= limit then return 0 end
    local _, less = entry(window, place)
    used = used - less
    if used + amount <= limit then return leaves(window, place) end
  end
  return 0
end
local function empty(window)
  if window.h == window.t then return 0 end
  return leaves(window, window.t - 1)
end`;

/** How long a hash is kept in which nothing changes, in milliseconds: longer than its windows. That of a cooldown comes on top. */
const keptMs = 2 * 3_600_000;

/**
 * KEYS: the index of accounts; for each account its hash and its set. ARGV: clock, call, lease in milliseconds, tokens, then for each account its name, burst,
 * requests of a minute and of an hour, tokens of a minute, cooldown in milliseconds, calls at the same time. Returns the account that refuses (from 1, 0 for
 * none), by what (1 to 4 the windows, 5 cooldown, 6 calls at the same time), for how long (-1: for ever or unknown), and the decision's numbers.
 */
export const take = script(`${common}
local refusedBy, reason, longest = 0, 0, -3
local function refuse(account, what, ms)
  local weight = ms
  if ms < 0 then
    if what == 6 then weight = 0 else weight = 1e15 end
  end
  if refusedBy == 0 or weight > longest then refusedBy, reason, longest = account, what, weight end
end
local tokens = tonumber(ARGV[4])
local books, pauses, longestPause = {}, {}, now
for i = 1, (#KEYS - 1) / 2 do
  local key, at = KEYS[i * 2], 5 + (i - 1) * 7
  local cooldown, concurrent = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local windows, cool = {}, 0
  redis.call('HSET', key, 'rule', table.concat(ARGV, ' ', at + 1, at + 6))
  if cooldown > 0 then
    cool = tonumber(redis.call('HGET', key, 'cool') or 0)
    if cool > now then refuse(i, 5, cool - now) end
  end
  for w = 1, 4 do
    local limit = tonumber(ARGV[at + w])
    if limit > 0 then
      local window = open(key, w)
      windows[w] = window
      local amount = 1
      if w == 4 then amount = tokens end
      if window.s + amount > limit then
        if w > 1 or cooldown == 0 then
          refuse(i, w, wait(window, amount, limit))
        elseif cool <= now then
          cool = now + cooldown
          redis.call('HSET', key, 'cool', int(cool))
          refuse(i, 5, cooldown)
        end
      end
    end
  end
  local calls = KEYS[i * 2 + 1]
  if concurrent > 0 then
    redis.call('ZREMRANGEBYSCORE', calls, '-inf', int(now))
    if redis.call('ZCARD', calls) >= concurrent then refuse(i, 6, -1) end
  end
  books[i] = windows
  pauses[i] = math.max(cool, now)
end
local ms = longest
if longest == 1e15 or reason == 6 then ms = -1 end
local result = {refusedBy, reason, ms}
for i = 1, #books do
  local key, at = KEYS[i * 2], 5 + (i - 1) * 7
  local concurrent = tonumber(ARGV[at + 6])
  for w = 1, 4 do
    local window = books[i][w]
    local n = 3 + (i - 1) * ${numbersOfAccount} + (w - 1) * 3
    local place = 0
    if window then
      if refusedBy == 0 then
        local amount = 1
        if w == 4 then amount = tokens end
        place = add(window, amount)
      elseif window.changed then
        save(window)
      end
      result[n + 1], result[n + 2], result[n + 3] = window.s, empty(window), place
    else
      result[n + 1], result[n + 2], result[n + 3] = 0, 0, 0
    end
  end
  keep(key, ${keptMs} + pauses[i] - now)
  longestPause = math.max(longestPause, pauses[i])
  if refusedBy == 0 and concurrent > 0 then
    redis.call('ZADD', KEYS[i * 2 + 1], int(now + tonumber(ARGV[3])), ARGV[2])
    redis.call('PEXPIRE', KEYS[i * 2 + 1], tonumber(ARGV[3]) * 2)
  end
  -- One that has a pause is known until that is over.
  redis.call('ZADD', KEYS[1], int(pauses[i]), ARGV[at])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now - ${keptMs}))
keep(KEYS[1], ${keptMs} + longestPause - now)
return result`);

/**
 * KEYS: for each account its hash and its set. ARGV: clock, call, 1 when it is over, 1 when it is not to count, change of tokens; then for each account the places
 * of the call's entries, 0 for a window that has no limit, and 1 for tokens that have one.
 */
export const settle = script(`${common}
local function takeBack(window, place, less)
  if place < window.h or place >= window.t then
    if window.changed then save(window) end
    return
  end
  local step, amount = entry(window, place)
  less = math.min(less, amount)
  redis.call('HSET', window.key, window.name .. int(place), int(step) .. ' ' .. int(amount - less))
  window.s = window.s - less
  save(window)
end
local tokens = tonumber(ARGV[5])
for i = 1, #KEYS / 2 do
  local key, at = KEYS[i * 2 - 1], 6 + (i - 1) * 4
  if ARGV[3] == '1' then redis.call('ZREM', KEYS[i * 2], ARGV[2]) end
  if ARGV[4] == '1' then
    for w = 1, 3 do
      local place = tonumber(ARGV[at + w - 1])
      if place > 0 then takeBack(open(key, w), place, 1) end
    end
  end
  local place = tonumber(ARGV[at + 3])
  if place > 0 and tokens ~= 0 then
    local window = open(key, 4)
    if tokens > 0 then
      add(window, tokens)
      keep(key, ${keptMs})
    else takeBack(window, place, -tokens) end
  end
end
return 1`);

/** How many numbers `read` returns for each account. */
export const numbersOfStanding = 13;

/** KEYS: sets. ARGV: clock, lease in milliseconds, then for each set the call whose lease begins anew. */
export const renew = script(`${common}
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], int(now + tonumber(ARGV[2])), ARGV[i + 2])
  redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[2]) * 2)
end
return 1`);

/**
 * KEYS: for each account its hash and its set. ARGV: clock. Returns for each account what is used of each window, its calls under way, the rest of its cooldown,
 * how long until a request is let through, and the six numbers of the rule that it was last counted by, -1 where that is not known.
 */
export const read = script(`${common}
local result = {}
for i = 1, #KEYS / 2 do
  local key, n = KEYS[i * 2 - 1], (i - 1) * ${numbersOfStanding}
  local rule = {}
  for number in string.gmatch(redis.call('HGET', key, 'rule') or '-1 -1 -1 -1 -1 -1', '%S+') do
    rule[#rule + 1] = tonumber(number)
    result[n + 7 + #rule] = rule[#rule]
  end
  local cool = 0
  if rule[5] > 0 then cool = math.max(0, tonumber(redis.call('HGET', key, 'cool') or 0) - now) end
  local ms = cool
  for w = 1, 4 do
    local window = open(key, w)
    if window.changed then save(window) end
    result[n + w] = window.s
    if w < 4 and rule[w] > 0 then ms = math.max(ms, wait(window, 1, rule[w])) end
  end
  result[n + 5] = redis.call('ZCOUNT', KEYS[i * 2], '(' .. int(now), '+inf')
  result[n + 6] = cool
  result[n + 7] = ms
end
return result`);
