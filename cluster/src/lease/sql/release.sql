-- Waits for the owner's open transactions (they hold the row FOR SHARE), then lets the next owner claim.
with released as (
    update helpline.shard_fences
    set owner = null
    where shard_id = $1
        and epoch = $2
        and claim_token = $3
        and owner = $4
    returning shard_id
), idle as (
    select s.id
    from public.shards s
    join released on released.shard_id = s.id
    for no key update of s skip locked
), offline as (
    update public.shards s
    set status = 'offline'
    from idle
    where s.id = idle.id
)
select pg_notify('helpline_placement', coalesce(a.worker_id::text, ''))::text as notified
from released r
left join helpline.shard_assignments a on a.shard_id = r.shard_id
