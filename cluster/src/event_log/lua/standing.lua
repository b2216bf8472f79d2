-- Before the scripts of the event log that ask for an incarnation.
-- A replica that became primary, and a server that started again, may have lost the end of what was written: then Redis
-- has another replication id, and nothing that was begun before stands. INFO is asked once for each call.
local served_by
local function history()
    if not served_by then
        served_by = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or '0'
    end
    return served_by
end

-- The incarnation of a stream, or false when it has none that stands. One without a history was written by hand: it
-- gets this one.
local function standing(incarnation, begun_on)
    local number = redis.call('GET', incarnation)
    if not number then return false end
    local begun = redis.call('GET', begun_on)
    if not begun then
        redis.call('SET', begun_on, history())
        return number
    end
    return begun == history() and number
end
