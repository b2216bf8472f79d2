-- What has waited goes to the server's shard, in its order.
with taken as (
    delete from helpline.dm_waiting
    where user_id = $1
    returning id, origin, kind, received_at_ms, payload
)
insert into helpline.held_events (shard_id, server_id, origin, kind, received_at_ms, payload)
select $2, $3, origin, kind, received_at_ms, payload
from taken
order by id
on conflict (shard_id, server_id, origin) do nothing
