-- After era.lua. KEYS: a lease, the era of leases. ARGV: the TTL in ms.
-- Returns 1 = the lease is there, 0 = it is gone, -1 = it is not there, in an era that is younger than the TTL.
local stands = era(KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 1 then return 1 end
local now = redis.call('TIME')
local since_us = tonumber(string.match(stands, '^%d+'))
local age_us = tonumber(now[1]) * 1000000 + tonumber(now[2]) - since_us
if age_us < 0 then
    -- The clock was put back: an era that begins in the future would say for ever that it is young.
    redis.call('DEL', KEYS[2])
    era(KEYS[2])
end
if age_us < tonumber(ARGV[1]) * 1000 then return -1 end
return 0
