-- KEYS: the epoch of the shard, its incarnation. ARGV: the caller's epoch.
-- Raises the epoch. Returns {1 = it was lower or unknown, the epoch that stands, the incarnation}.
local stands = redis.call('GET', KEYS[1])
if stands and tonumber(stands) >= tonumber(ARGV[1]) then
    return { 0, stands, redis.call('GET', KEYS[2]) }
end
redis.call('SET', KEYS[1], ARGV[1])
return { 1, ARGV[1], redis.call('GET', KEYS[2]) }
