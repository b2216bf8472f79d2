-- Declares a worker dead. $2 = because of its silence, which is looked at once more here.
with gone as (
    delete from helpline.workers
    where id = $1
        and (not $2 or last_heartbeat < clock_timestamp() - make_interval(secs => $3))
    returning id
), orphaned as (
    select s.id
    from public.shards s
    join helpline.shard_fences f on f.shard_id = s.id
    join gone on gone.id = f.owner
    order by s.id
    for no key update of s skip locked
), offline as (
    update public.shards s
    set status = 'offline'
    from orphaned
    where s.id = orphaned.id
)
select pg_notify('helpline_membership', gone.id::text)::text as notified
from gone
