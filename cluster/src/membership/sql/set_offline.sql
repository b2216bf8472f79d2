-- Shards that nobody alive owns are offline, whoever was to say so: reports skip rows that are in use.
with orphaned as (
    select s.id
    from public.shards s
    left join helpline.shard_fences f on f.shard_id = s.id
    where s.status <> 'offline'
        and not exists (select from helpline.workers w where w.id = f.owner)
    order by s.id
    for no key update of s skip locked
)
update public.shards s
set status = 'offline'
from orphaned
where s.id = orphaned.id
