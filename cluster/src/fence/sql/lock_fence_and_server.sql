-- Both locks of an owner's transaction in one round trip. Reading the counts of both runs both in full.
with fence as (
    select 1
    from helpline.shard_fences
    where shard_id = $1
        and epoch = $2
        and claim_token = $3
        and owner = $4
    for share
), server as (
    select 1
    from public.server_shards
    where server_id = $5
        and shard_id = $1
    for share
)
select
    (select count(*) from fence) = 1 as "fence_held!",
    (select count(*) from server) = 1 as "server_held!"
