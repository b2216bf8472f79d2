-- A replay of an event that is held already takes no second place.
insert into helpline.held_events (shard_id, server_id, origin, kind, received_at_ms, payload)
values ($1, $2, $3, $4, $5, $6)
on conflict (shard_id, server_id, origin) do nothing
