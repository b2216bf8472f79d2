-- FOR SHARE: a move of one of these servers to another shard waits until this transaction has ended.
with here as (
    select server_id
    from public.server_shards
    where server_id = any ($1) and shard_id = $2
    order by server_id
    for share
)
select
    here.server_id as "server_id!",
    exists (
        select from helpline.held_events
        where held_events.shard_id = $2 and held_events.server_id = here.server_id
    ) as "waiting!"
from here
