-- A shard that was just added has no fence and no stream yet.
with fences as (
    insert into helpline.shard_fences (shard_id)
    select s.id from public.shards s
    on conflict (shard_id) do nothing
)
insert into helpline.shard_streams (shard_id)
select s.id from public.shards s
on conflict (shard_id) do nothing
