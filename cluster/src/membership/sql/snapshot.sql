-- Every other worker, whether its session holds its lock, and whether it missed its heartbeats.
with held as materialized (
    select l.objid::bigint as liveness_key
    from pg_locks l
    where l.locktype = 'advisory'
        and l.database = (select d.oid from pg_database d where d.datname = current_database())
        and l.classid = $2::integer::oid
        and l.objsubid = 2
        and l.mode = 'ExclusiveLock'
        and l.granted
)
select
    w.id,
    w.liveness_key,
    exists (select from held h where h.liveness_key = w.liveness_key) as "held!",
    w.last_heartbeat < clock_timestamp() - make_interval(secs => $3) as "stale!"
from helpline.workers w
where w.id <> $1
order by w.id
