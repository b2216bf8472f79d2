-- Every other proxy, whether its session holds its lock, and its last heartbeat.
with locked as materialized (
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
    exists (select from locked h where h.liveness_key = w.liveness_key) as "held!",
    (extract(epoch from w.last_heartbeat) * 1000000)::bigint as "beat!"
from helpline.proxies w
where w.id <> $1
order by w.id
