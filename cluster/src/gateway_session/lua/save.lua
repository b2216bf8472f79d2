-- KEYS: the session's hash. ARGV: epoch, then names and values of fields; none = forget the session.
-- A holder that was superseded changes nothing: returns 0.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', unpack(ARGV))
return 1
