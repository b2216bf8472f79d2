-- KEYS: stream and incarnation of each shard. ARGV: incarnation and sequence up to which each was read.
-- Returns for each 1 when Redis has lost the stream as the reader knows it, else 0. A stream that ends
-- before what was read (a failover lost its tail) would hand out ids again that its reader has passed:
-- its incarnation is removed, so that nothing is published until the owner begins the next.
local lost = {}
for n = 1, #ARGV / 2 do
    local stream, key = KEYS[2 * n - 1], KEYS[2 * n]
    local incarnation, seq = ARGV[2 * n - 1], ARGV[2 * n]
    local gone = redis.call('GET', key) ~= incarnation
    if not gone and seq ~= '0' then
        local last, info = '0-0', redis.pcall('XINFO', 'STREAM', stream)
        for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then last = info[i + 1] end
        end
        local last_incarnation, last_seq = string.match(last, '^(%d+)-(%d+)$')
        if last_incarnation ~= incarnation or tonumber(last_seq) < tonumber(seq) then
            gone = true
            redis.call('DEL', key)
        end
    end
    lost[n] = gone and 1 or 0
end
return lost
