-- KEYS: the epoch of the shard, its incarnation, the incarnation's history, its stream. ARGV: the caller's epoch, the id
-- after which to begin, the incarnation to carry into, most entries of this call.
-- Copies what lies between into the coming incarnation, in order, while none stands and so nobody publishes.
-- Returns the id of the last that was copied, false when nothing was left, or -1 = the caller is not the owner, or that
-- incarnation or a later one stands.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local stands = standing(KEYS[2], KEYS[3])
if stands and tonumber(stands) >= tonumber(ARGV[3]) then return -1 end
local left = redis.call('XRANGE', KEYS[4], '(' .. ARGV[2], '(' .. ARGV[3] .. '-0', 'COUNT', ARGV[4])
local last = false
for _, entry in ipairs(left) do
    local id = redis.call('XADD', KEYS[4], ARGV[3] .. '-*', unpack(entry[2]))
    if id == ARGV[3] .. '-0' then
        redis.call('XDEL', KEYS[4], id)
        redis.call('XADD', KEYS[4], ARGV[3] .. '-1', unpack(entry[2]))
    end
    last = entry[1]
end
return last
