-- Proxies of this name whose session has ended: this very process, before it was started again.
with held as (
    select l.objid::bigint as liveness_key
    from pg_locks l
    where l.locktype = 'advisory'
        and l.database = (select d.oid from pg_database d where d.datname = current_database())
        and l.classid = $3::integer::oid
        and l.objsubid = 2
        and l.mode = 'ExclusiveLock'
        and l.granted
), gone as (
    delete from helpline.proxies p
    where p.name = $2
        and p.id <> $1
        and not exists (select from held where held.liveness_key = p.liveness_key)
    returning p.id
)
select pg_notify('helpline_membership', '')::text as notified from gone limit 1
