-- KEYS: budget. ARGV: total, remaining, ms until the reset, as Discord says them; ms that a permit may be on its way.
-- Returns what is left. Permits that Discord has not seen yet are not given back: within a window, and soon after
-- one was taken, the lower number stands.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'left', 'reset', 'taken')
local left, reset, taken = tonumber(known[1]), tonumber(known[2]), tonumber(known[3]) or 0
local says = tonumber(ARGV[2])
local on_its_way = now < taken + tonumber(ARGV[4])
if left and reset and now < reset and on_its_way then says = math.min(says, left) end
-- Discord's window begins with the first session in it: with none begun there is nothing to wait for.
local window = tonumber(ARGV[3])
if window <= 0 then window = 86400000 end
redis.call('HSET', KEYS[1], 'total', ARGV[1], 'left', says, 'reset', now + window)
return says
