-- KEYS: the session's hash. ARGV: epoch, session id, sequence.
-- Returns 0 when superseded, 1 when it stands at the sequence or beyond, 2 when the session is another or gone.
local now = redis.call('HMGET', KEYS[1], 'epoch', 'session_id', 'sequence')
if now[1] and tonumber(now[1]) > tonumber(ARGV[1]) then return 0 end
if now[2] ~= ARGV[2] then return 2 end
if tonumber(now[3]) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[1], 'sequence', ARGV[3]) end
return 1
