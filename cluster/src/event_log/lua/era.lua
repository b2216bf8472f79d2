-- After standing.lua. The era of a slot group: what Redis has forgotten nothing since. A wiped Redis has none and begins one
-- with the first question; a server that took over, or started again, begins one too. Its start is the time by Redis' clock.
local function era(key)
    local stands = redis.call('GET', key)
    if stands and string.match(stands, '-(%x+)$') == history() then return stands end
    local now = redis.call('TIME')
    stands = string.format('%s%06d-%s', now[1], tonumber(now[2]), history())
    redis.call('SET', key, stands)
    return stands
end
