-- KEYS: the epoch of the shard, its incarnation, the incarnation's history. ARGV: the caller's epoch, the incarnation
-- to begin. Raises both unless a higher epoch stands. Returns the epoch that stands.
local stands = redis.call('GET', KEYS[1])
if stands and tonumber(stands) > tonumber(ARGV[1]) then return stands end
redis.call('SET', KEYS[1], ARGV[1])
local now = redis.call('GET', KEYS[2])
if not now or tonumber(now) < tonumber(ARGV[2]) then
    redis.call('SET', KEYS[2], ARGV[2])
    redis.call('SET', KEYS[3], history())
end
return ARGV[1]
