-- After era.lua. KEYS: a gateway shard's epoch, its slot group's era. ARGV: the epoch, the era in which it was asked for.
-- Raises it if that is higher than what stands, or if what stands is of another era and not higher. An epoch stands as
-- {epoch}@{era}. Returns {1 or 0, the epoch that stands}, or {-1, ""} when the era is over.
local now = era(KEYS[2])
if now ~= ARGV[2] then return { -1, '' } end
local epoch, raised_in = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+)@?(.*)$')
if epoch and tonumber(epoch) >= tonumber(ARGV[1]) and (raised_in == now or epoch ~= ARGV[1]) then
    return { 0, epoch }
end
redis.call('SET', KEYS[1], ARGV[1] .. '@' .. now)
return { 1, ARGV[1] }
