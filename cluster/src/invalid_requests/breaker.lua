-- The breaker of all proxies against Discord's ban for invalid requests.
-- KEYS: refused requests by step of ten seconds, the breaker's state.
-- ARGV: what is told ('sync', 'probe', 'ok', 'bad'), requests refused since the last call, threshold, time between
-- probes in microseconds. Times are by the clock of Redis.
-- Returns open (0, 1), refused requests of the last ten minutes, the number at which it opens, microseconds until
-- the next probe, whether this caller may send one (0, 1).
local steps, state = KEYS[1], KEYS[2]
local what, refused, threshold, every = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local SECOND, STEP, KEPT, CLOSES_AFTER = 1000000, 10, 61, 3
local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]
local step = math.floor(time[1] / STEP)
local function int(n) return string.format('%.0f', n) end

if refused > 0 then redis.call('HINCRBY', steps, step, refused) end
local sum, all = 0, redis.call('HGETALL', steps)
for i = 1, #all, 2 do
    if tonumber(all[i]) <= step - KEPT then
        redis.call('HDEL', steps, all[i])
    else
        sum = sum + tonumber(all[i + 1])
    end
end

local function get(name) return tonumber(redis.call('HGET', state, name) or '0') end
local open, probe_at, oks, opens_at = get('open'), get('probe_at'), get('oks'), get('opens_at')
-- Beyond this nothing is risked any more: Discord's bound is twice the threshold.
local last = math.floor(threshold * 1.8)
local allowance = math.max(math.floor(threshold / 10), 1)
if sum < threshold then opens_at = threshold end
if opens_at == 0 then opens_at = threshold end

local may = 0
if open == 0 and sum >= opens_at then
    open, oks, probe_at = 1, 0, now + every
elseif open == 1 then
    if what == 'probe' and now >= probe_at and sum < last then
        may, probe_at = 1, now + every
    elseif what == 'bad' then
        oks, probe_at = 0, now + every
    elseif what == 'ok' then
        oks, probe_at = oks + 1, now
        if oks >= CLOSES_AFTER then
            open, opens_at = 0, math.min(math.max(sum + allowance, threshold), last)
        end
    end
end
redis.call('HSET', state, 'open', open, 'probe_at', int(probe_at), 'oks', oks, 'opens_at', opens_at)
redis.call('EXPIRE', steps, STEP * KEPT)
redis.call('EXPIRE', state, STEP * KEPT * 2)
return { open, sum, opens_at, int(math.max(probe_at - now, 0)), may }
