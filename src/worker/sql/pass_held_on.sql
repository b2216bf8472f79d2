-- The server has moved on: what waited here waits there, in its order.
with taken as (
    delete from helpline.held_events
    where shard_id = $1 and server_id = $2
    returning id, origin, kind, received_at_ms, payload
)
insert into helpline.held_events (shard_id, server_id, origin, kind, received_at_ms, payload)
select $3, $2, origin, kind, received_at_ms, payload
from taken
order by id
on conflict (shard_id, server_id, origin) do nothing
