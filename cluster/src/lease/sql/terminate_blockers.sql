-- Ends the transactions that a claim waits for, directly or through others that wait, and whose client does
-- nothing. A claim only ever waits for what a dead, former or fenced-out owner left behind.
with recursive chain (pid) as (
    select $1::integer
    union
    select blocker.pid
    from chain
    cross join lateral unnest(pg_blocking_pids(chain.pid)) as blocker (pid)
)
select count(pg_terminate_backend(a.pid)) as "ended!"
from chain
join pg_stat_activity a on a.pid = chain.pid
where a.state like 'idle in transaction%'
    and a.state_change < clock_timestamp() - make_interval(secs => $2)
    -- another role's backend may not be ended, and asking to would be an error
    and a.usename = current_user
