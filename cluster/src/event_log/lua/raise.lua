-- Sets KEYS[1] to ARGV[1] if that is higher. Returns {1 or 0, the value that stands}.
local now = redis.call('GET', KEYS[1])
if not now or tonumber(now) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1])
    return { 1, ARGV[1] }
end
return { 0, now }
