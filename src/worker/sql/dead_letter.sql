insert into helpline.dead_letters (shard_id, server_id, stream_id, kind, payload, error)
values ($1, $2, $3, $4, $5, $6)
on conflict (shard_id, stream_id) do nothing
