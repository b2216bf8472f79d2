-- KEYS: the epochs of shards of one slot group. ARGV: those of their owner. Raises what is lower or was lost.
-- Returns the epoch that stands for each.
local stands = {}
for n = 1, #KEYS do
    local now = redis.call('GET', KEYS[n])
    if not now or tonumber(now) < tonumber(ARGV[n]) then
        redis.call('SET', KEYS[n], ARGV[n])
        now = ARGV[n]
    end
    stands[n] = now
end
return stands
