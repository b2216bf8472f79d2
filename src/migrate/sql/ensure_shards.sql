with wanted as (
    select generate_series(0, $1::integer - 1) as id
),
new_shards as (
    insert into public.shards (id)
    select id from wanted
    on conflict (id) do nothing
    returning id
),
new_fences as (
    insert into helpline.shard_fences (shard_id)
    select id from wanted
    on conflict (shard_id) do nothing
),
new_streams as (
    insert into helpline.shard_streams (shard_id)
    select id from wanted
    on conflict (shard_id) do nothing
)
select count(*) as "created!" from new_shards
