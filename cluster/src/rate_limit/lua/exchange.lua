-- One exchange of a proxy with the shared limits: it tells what it learned, and is told what it may send.
-- KEYS: slots of the global limit, of them this proxy's own, proxies by last sight, proxies that wait,
--       shortest round trips, state, routes; then the buckets that the request names by their place here.
-- ARGV[1]: the request as JSON (see Request in link.rs). Durations are in microseconds; so are all times, by the
-- clock of Redis, because the clocks of the proxies differ.
local req = cjson.decode(ARGV[1])
local slots, own, proxies, waiting, trips, state, routes = unpack(KEYS, 1, 7)
local SECOND, SILENT, FORGOTTEN, SETTLE, ASK_AGAIN = 1000000, 1000000, 10000000, 400000, 20000
local time = redis.call('TIME')
local now = time[1] * SECOND + time[2]
local me = req.me

-- 14 digits are what Lua prints by itself; a time has 16.
local function int(n) return string.format('%.0f', n) end

local function expire(key, us) redis.call('PEXPIRE', key, int(math.ceil(us / 1000))) end

-- Who is there. Of a proxy that fell silent nobody knows whether it is dead or only cut off from Redis, where it
-- goes on with its share: that share stays reserved until it is forgotten.
if req.bye then
    redis.call('ZREM', proxies, me)
else
    redis.call('ZADD', proxies, int(now), me)
end
redis.call('ZREMRANGEBYSCORE', proxies, '-inf', int(now - FORGOTTEN))
local known = math.max(redis.call('ZCARD', proxies), 1)
local silent = redis.call('ZCOUNT', proxies, '-inf', int(now - SILENT))
expire(proxies, FORGOTTEN)

-- A memory that begins now does not know the last second: the proxies tell it before anything is granted.
local since = tonumber(redis.call('HGET', state, 'since'))
if not since then
    since = now
    redis.call('HSET', state, 'since', int(since))
end

-- The shortest round trip of all: a slot that one proxy frees may be used by a nearer one.
if req.trip then redis.call('HSET', trips, me, req.trip) end
local shortest = -1
local told = redis.call('HGETALL', trips)
for i = 1, #told, 2 do
    local trip = tonumber(told[i + 1])
    if not redis.call('ZSCORE', proxies, told[i]) then
        redis.call('HDEL', trips, told[i])
    elseif shortest < 0 or trip < shortest then
        shortest = trip
    end
end

-- Routes: what is learned of one by any proxy holds for all.
local version = tonumber(redis.call('HGET', state, 'routes') or '0')
for _, lesson in ipairs(req.learned) do
    if redis.call('HGET', routes, lesson[1]) ~= lesson[2] then
        redis.call('HSET', routes, lesson[1], lesson[2])
        version = redis.call('HINCRBY', state, 'routes', 1)
    end
end

-- The global limit: a slot is held from its grant until the request cannot count any more.
local nth = 0
local function hold(us)
    nth = nth + 1
    local slot = int(now) .. ':' .. me .. ':' .. nth
    redis.call('ZADD', slots, int(now + us), slot)
    redis.call('ZADD', own, int(now + us), slot)
    return slot
end

for _, ended in ipairs(req.ended) do
    local at = tonumber(string.match(ended[1], '^%d+')) + SECOND + ended[2]
    redis.call('ZADD', slots, 'XX', int(at), ended[1])
    redis.call('ZADD', own, 'XX', int(at), ended[1])
end
for _, us in ipairs(req.held) do hold(us) end
redis.call('ZREMRANGEBYSCORE', slots, '-inf', int(now))
redis.call('ZREMRANGEBYSCORE', own, '-inf', int(now))
redis.call('ZREMRANGEBYSCORE', waiting, '-inf', int(now))

local function first_free(key)
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    return first[2] and math.max(tonumber(first[2]) - now, 1000) or 5000
end

if req.blocked > 0 then
    local blocked = tonumber(redis.call('HGET', state, 'blocked') or '0')
    redis.call('HSET', state, 'blocked', int(math.max(blocked, now + req.blocked)))
end
local blocked = tonumber(redis.call('HGET', state, 'blocked') or '0')
local per_s = math.max(req.per_s - silent * math.floor(req.per_s / known), 1)
local free, wait = per_s - redis.call('ZCARD', slots), nil
if now < since + SETTLE then
    free, wait = 0, since + SETTLE - now
elseif blocked > now then
    free, wait = 0, blocked - now
elseif free <= 0 then
    wait = first_free(slots)
else
    -- While others wait, nobody holds more than an equal part.
    local others = redis.call('ZCARD', waiting)
    if redis.call('ZSCORE', waiting, me) then others = others - 1 end
    if others > 0 then
        local left = math.ceil(per_s / (others + 1)) - redis.call('ZCARD', own)
        if left < free then
            free = math.max(left, 0)
            if free == 0 then wait = first_free(own) end
        end
    end
end

-- Buckets. e: end of the window; n: granted in it; t: the least that an answer of it left; b: refused until;
-- f: in flight, by proxy, as each tells it, so that a lost message does not add up.
local buckets = {}

local function load(k)
    if buckets[k] then return buckets[k] end
    local bucket = { n = 0, f = {} }
    local fields = redis.call('HGETALL', KEYS[k])
    for i = 1, #fields, 2 do
        local proxy = string.match(fields[i], '^f:(.+)$')
        if not proxy then
            bucket[fields[i]] = tonumber(fields[i + 1])
        elseif proxy == me or redis.call('ZSCORE', proxies, proxy) then
            bucket.f[proxy] = tonumber(fields[i + 1])
        end
    end
    buckets[k] = bucket
    return bucket
end

local function in_flight(bucket)
    local sum = 0
    for _, count in pairs(bucket.f) do sum = sum + count end
    return sum
end

local function roll(bucket, window)
    if bucket.e and bucket.e <= now then
        bucket.n, bucket.t, bucket.e = in_flight(bucket), nil, nil
    elseif not bucket.e and bucket.n > 0 and in_flight(bucket) == 0 then
        -- Nobody is left who would say when the window ends.
        bucket.e = now + window
    end
end

local function save(k, bucket)
    local fields, life = { 'n', int(bucket.n) }, SECOND
    for _, name in ipairs({ 'e', 't', 'b' }) do
        if bucket[name] then
            fields[#fields + 1], fields[#fields + 2] = name, int(bucket[name])
        end
    end
    if in_flight(bucket) > 0 then life = 30 * SECOND end
    for proxy, count in pairs(bucket.f) do
        if count > 0 then fields[#fields + 1], fields[#fields + 2] = 'f:' .. proxy, int(count) end
    end
    redis.call('DEL', KEYS[k])
    redis.call('HSET', KEYS[k], unpack(fields))
    expire(KEYS[k], life + math.max((bucket.e or now) - now, (bucket.b or now) - now, 0))
end

for _, answer in ipairs(req.answers) do
    local bucket = load(answer.k)
    bucket.f[me] = answer.f
    roll(bucket, answer.w)
    if answer.r >= 0 then
        local ends = now + answer.e
        if bucket.e and ends > bucket.e + answer.w / 2 then
            -- Much later than expected: the far end has opened a new window already.
            bucket.n, bucket.t, bucket.e = in_flight(bucket), answer.r, ends
        else
            bucket.t = math.min(bucket.t or answer.r, answer.r)
            bucket.e = math.max(bucket.e or ends, ends)
        end
    end
    if answer.b > 0 then bucket.b = math.max(bucket.b or 0, now + answer.b) end
end

-- How long a request has to wait for its bucket; nil = it may go.
local function bucket_wait(bucket, want)
    if bucket.b and bucket.b > now then return bucket.b - now end
    local flying = in_flight(bucket)
    if want.l == 0 then return nil end
    if want.l < 0 then
        -- Known by now under another name: the proxy reads it and asks for the right bucket.
        if redis.call('HEXISTS', routes, want.u) == 1 then return 1000 end
        return flying > 0 and ASK_AGAIN or nil
    end
    roll(bucket, want.w)
    local left = want.l - bucket.n
    if bucket.t then
        left = math.min(left, bucket.t - flying)
    elseif now < since + want.w and flying > 0 then
        -- The memory may have missed a part of this window: one request finds out.
        return ASK_AGAIN
    end
    if left > 0 then return nil end
    return bucket.e and math.max(bucket.e - now, 1000) or ASK_AGAIN
end

-- A request is 1 = granted with its slot (or ''), 2 = waits for the global limit, 3 = for its bucket.
local outcomes, refused, touched = {}, nil, {}
for i, want in ipairs(req.wants) do
    local bucket = load(want.k)
    if not touched[want.k] then
        touched[want.k] = true
        bucket.f[me] = want.f
    end
    local bucket_us = bucket_wait(bucket, want)
    if bucket_us then
        outcomes[i] = { 3, int(bucket_us) }
    elseif want.g and free <= 0 then
        refused = wait or first_free(slots)
        outcomes[i] = { 2, int(refused) }
    else
        local slot = ''
        if want.g then
            free = free - 1
            slot = hold(req.hold)
        end
        bucket.n = bucket.n + 1
        bucket.f[me] = bucket.f[me] + 1
        outcomes[i] = { 1, slot }
    end
end
for k, bucket in pairs(buckets) do save(k, bucket) end
if refused then
    -- Until it comes again.
    redis.call('ZADD', waiting, int(now + math.min(refused, SECOND) + SECOND / 4), me)
elseif #req.wants > 0 then
    redis.call('ZREM', waiting, me)
end
for _, key in ipairs({ slots, own, waiting, trips }) do expire(key, FORGOTTEN) end
return { known, int(shortest), version, int(since), outcomes }
