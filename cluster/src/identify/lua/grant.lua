-- KEYS: the bucket's key, the budget's key. ARGV: rest of a bucket in ms, budget of a day, a day in ms.
-- Returns {0, 0} = identify now, {1, ms} = the bucket rests so long, {2, ms} = the day's budget is used up.
local left = redis.call('GET', KEYS[2])
if left and tonumber(left) <= 0 then return { 2, redis.call('PTTL', KEYS[2]) } end
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then
    return { 1, redis.call('PTTL', KEYS[1]) }
end
if left then
    redis.call('DECR', KEYS[2])
else
    redis.call('SET', KEYS[2], tonumber(ARGV[2]) - 1, 'PX', ARGV[3])
end
return { 0, 0 }
