-- KEYS: the epoch of the shard, its stream. ARGV: the caller's epoch, the lowest id to keep.
-- Returns how many entries went, or -1 = the caller is not the owner that Redis knows.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
return redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[2])
