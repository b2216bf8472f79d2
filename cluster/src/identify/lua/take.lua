-- KEYS: bucket, budget, starts of the gateway shard.
-- ARGV: rest of a bucket in ms, 1 when the reserve may be used, the reserve in percent and at least, free starts,
-- first pause and longest pause in ms.
-- Returns {what, ms to wait, what is left}: 0 = taken, 1 = the bucket rests, 2 = the budget is not known, 3 = used up,
-- 4 = only the reserve is left, 5 = this gateway shard has started too often.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rest = redis.call('PTTL', KEYS[1])
if rest > 0 then return { 1, rest, -1 } end
local known = redis.call('HMGET', KEYS[2], 'total', 'left', 'reset')
local total, left, reset = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])
if not total or not left or not reset then return { 2, 0, -1 } end
if now >= reset then return { 2, 0, left } end
if left <= 0 then return { 3, reset - now, left } end
local reserve = math.min(math.max(math.floor(total * ARGV[3] / 100), tonumber(ARGV[4])), math.floor(total / 2))
if left <= reserve and ARGV[2] ~= '1' then return { 4, reset - now, left } end
local starts = redis.call('HMGET', KEYS[3], 'count', 'last')
local count, last = tonumber(starts[1]) or 0, tonumber(starts[2]) or 0
local free, first, longest = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if count >= free then
    local pause = math.min(first * 2 ^ math.min(count - free, 30), longest)
    if now < last + pause then return { 5, last + pause - now, left } end
end
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
redis.call('HSET', KEYS[2], 'left', left - 1, 'taken', now)
redis.call('HSET', KEYS[3], 'count', count + 1, 'last', now)
-- Quiet for twice the longest pause, and it may start freely again.
redis.call('PEXPIRE', KEYS[3], longest * 2)
return { 0, 0, left - 1 }
