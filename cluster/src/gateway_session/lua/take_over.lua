-- KEYS: the session's hash. ARGV: epoch. Returns 0 when superseded, else the hash; earlier epochs then save no more.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return redis.call('HMGET', KEYS[1], 'session_id', 'resume_url', 'sequence', 'user_id', 'application_id')
