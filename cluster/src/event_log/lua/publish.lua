-- KEYS: the gateway shard's epoch, then stream and incarnation of each shard.
-- ARGV: epoch, most entries, most bytes of a stream; then for each entry: number of its shard, k, t, g, r, d.
-- Returns -1 when the epoch is unknown, 0 when it is another, else for each entry its id,
-- or 0 = the stream has no incarnation, 1 = the stream is full.
local epoch = redis.call('GET', KEYS[1])
if not epoch then return -1 end
if epoch ~= ARGV[1] then return 0 end
local most_entries, most_bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local streams, outcomes = {}, {}

local function open(n)
    local stream = { key = KEYS[2 * n], incarnation = redis.call('GET', KEYS[2 * n + 1]) }
    if not stream.incarnation then
        stream.refused = 0
        return stream
    end
    stream.entries = redis.call('XLEN', stream.key)
    stream.bytes = redis.call('MEMORY', 'USAGE', stream.key) or 0
    return stream
end

local function add(stream, id, i)
    return redis.pcall('XADD', stream.key, id, 'k', ARGV[i + 1], 't', ARGV[i + 2], 'g', ARGV[i + 3],
        'r', ARGV[i + 4], 'd', ARGV[i + 5])
end

for i = 4, #ARGV, 6 do
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
