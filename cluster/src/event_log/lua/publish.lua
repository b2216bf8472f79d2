-- KEYS: the gateway shard's epoch, its slot group's era, then stream, incarnation and history of each shard.
-- ARGV: epoch, most entries, most bytes of a stream, number of shards; for each shard the incarnation that the publisher
-- knows, 0 = none; then for each entry: number of its shard, k, t, g, r, d.
-- Returns -1 when the epoch is unknown, lower or of another era, 0 when it is higher, else for each entry its id, or
-- 0 = no incarnation stands, 1 = the stream is full, {n} = incarnation n stands and the publisher knows another.
local epoch, raised_in = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+)@?(.*)$')
if not epoch or tonumber(epoch) < tonumber(ARGV[1]) then return -1 end
if epoch ~= ARGV[1] then return 0 end
if raised_in ~= era(KEYS[2]) then return -1 end
local most_entries, most_bytes, shards = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local streams, outcomes = {}, {}

local function open(n)
    local stream = { key = KEYS[3 * n], incarnation = standing(KEYS[3 * n + 1], KEYS[3 * n + 2]) }
    local known = ARGV[4 + n]
    if not stream.incarnation then
        stream.refused = 0
    elseif known ~= '0' and known ~= stream.incarnation then
        stream.refused = { tonumber(stream.incarnation) }
    else
        stream.entries = redis.call('XLEN', stream.key)
        stream.bytes = redis.call('MEMORY', 'USAGE', stream.key) or 0
    end
    return stream
end

local function add(stream, id, i)
    return redis.pcall('XADD', stream.key, id, 'k', ARGV[i + 1], 't', ARGV[i + 2], 'g', ARGV[i + 3],
        'r', ARGV[i + 4], 'd', ARGV[i + 5])
end

for i = 5 + shards, #ARGV, 6 do
    local n = tonumber(ARGV[i])
    local stream = streams[n] or open(n)
    streams[n] = stream
    if not stream.refused and (stream.entries >= most_entries or stream.bytes >= most_bytes) then
        stream.refused = 1
    end
    -- Once refused, a stream takes nothing more from this batch: nothing may overtake.
    if stream.refused then
        outcomes[#outcomes + 1] = stream.refused
    else
        local id = add(stream, stream.incarnation .. '-*', i)
        if id == stream.incarnation .. '-0' then
            -- Redis numbers a new incarnation from 0, where the cursor stands that has read nothing.
            redis.call('XDEL', stream.key, id)
            id = add(stream, stream.incarnation .. '-1', i)
        end
        if type(id) == 'table' then
            if not string.find(id.err, 'equal or smaller') then return id end
            -- The incarnation went back below the stream: its owner has to begin a new one.
            stream.refused = 0
            id = 0
        else
            stream.entries = stream.entries + 1
            stream.bytes = stream.bytes + #ARGV[i + 1] + #ARGV[i + 2] + #ARGV[i + 5] + 32
        end
        outcomes[#outcomes + 1] = id
    end
end
return outcomes
