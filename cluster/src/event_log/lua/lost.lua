-- KEYS: stream, incarnation, history and epoch of each shard.
-- ARGV: incarnation and sequence up to which each was read, and the reader's epoch.
-- Returns for each 1 when Redis has lost the stream as the reader knows it, else 0. A stream that ends
-- before what was read (a failover lost its tail) would hand out ids again that its reader has passed:
-- its incarnation is removed, so that nothing is published until the owner begins the next. Who was superseded
-- removes nothing: what he has read may be of a stream that is gone for good reason.
local lost = {}
for n = 1, #ARGV / 3 do
    local stream, key, begun_on, epoch = KEYS[4 * n - 3], KEYS[4 * n - 2], KEYS[4 * n - 1], KEYS[4 * n]
    local incarnation, seq, mine = ARGV[3 * n - 2], ARGV[3 * n - 1], tonumber(ARGV[3 * n])
    local gone = standing(key, begun_on) ~= incarnation
    if not gone and seq ~= '0' then
        local last, info = '0-0', redis.pcall('XINFO', 'STREAM', stream)
        for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then last = info[i + 1] end
        end
        local last_incarnation, last_seq = string.match(last, '^(%d+)-(%d+)$')
        if last_incarnation ~= incarnation or tonumber(last_seq) < tonumber(seq) then
            gone = true
            if tonumber(redis.call('GET', epoch) or '0') <= mine then redis.call('DEL', key) end
        end
    end
    lost[n] = gone and 1 or 0
end
return lost
