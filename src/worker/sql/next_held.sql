select id, origin, kind, received_at_ms, payload
from helpline.held_events
where shard_id = $1 and server_id = $2
order by id
limit $3
