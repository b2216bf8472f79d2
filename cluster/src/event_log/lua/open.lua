-- KEYS: the epoch of the shard, its incarnation, the incarnation's history. ARGV: the caller's epoch.
-- Raises the epoch. Returns {1 = it was lower or unknown, the epoch that stands, the incarnation, 1 = it stands}.
local number = redis.call('GET', KEYS[2])
local stands = standing(KEYS[2], KEYS[3]) and 1 or 0
local epoch = redis.call('GET', KEYS[1])
if epoch and tonumber(epoch) >= tonumber(ARGV[1]) then return { 0, epoch, number, stands } end
redis.call('SET', KEYS[1], ARGV[1])
return { 1, ARGV[1], number, stands }
