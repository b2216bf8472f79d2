-- KEYS: stream and incarnation of each shard of one slot group. ARGV: the cursor of each. Reads only.
-- Returns for each its newest id ('' = the stream has no entry), when the proxy received the first entry behind the cursor, in
-- milliseconds ('' = there is none), and the incarnation that stands ('' = none).
local answers = {}
for n = 1, #ARGV do
    local stream = KEYS[2 * n - 1]
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local waits = redis.call('XRANGE', stream, '(' .. ARGV[n], '+', 'COUNT', 1)[1]
    local received = ''
    if waits then
        for field = 1, #waits[2], 2 do
            if waits[2][field] == 'r' then received = waits[2][field + 1] end
        end
    end
    answers[n] = { newest and newest[1] or '', received, redis.call('GET', KEYS[2 * n]) or '' }
end
return answers
