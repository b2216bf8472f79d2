-- KEYS: streams of one slot group. ARGV: the cursor of each. Reads only.
-- Returns for each stream its newest id ('' = it is empty or not there) and when the proxy received the first entry behind the
-- cursor, in milliseconds ('' = there is none).
local answers = {}
for n, stream in ipairs(KEYS) do
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local waits = redis.call('XRANGE', stream, '(' .. ARGV[n], '+', 'COUNT', 1)[1]
    local received = ''
    if waits then
        for field = 1, #waits[2], 2 do
            if waits[2][field] == 'r' then received = waits[2][field + 1] end
        end
    end
    answers[n] = { newest and newest[1] or '', received }
end
return answers
