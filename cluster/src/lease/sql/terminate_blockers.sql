-- Ends the transactions that a claim has been waiting for while their client does nothing.
-- A claim only ever waits for what a dead, former or fenced-out owner left behind.
select count(pg_terminate_backend(blocking.pid)) as "ended!"
from (
    select distinct a.pid
    from unnest($1::integer[]) as waiting (pid)
    cross join lateral unnest(pg_blocking_pids(waiting.pid)) as blocker (pid)
    join pg_stat_activity a on a.pid = blocker.pid
    where a.state like 'idle in transaction%'
        and a.state_change < clock_timestamp() - make_interval(secs => $2)
        -- another role's backend may not be ended, and asking to would be an error
        and a.usename = current_user
) as blocking
