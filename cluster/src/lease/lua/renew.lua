-- After era.lua. KEYS: a lease, the era of leases. ARGV: the TTL in ms. Begins an era where none stands, so that one that
-- is old says that Redis has lost no lease.
era(KEYS[2])
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
