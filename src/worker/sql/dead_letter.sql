-- A replay that fails again, or a repetition after an unknown outcome, finds its row.
insert into helpline.dead_letters (shard_id, server_id, stream_id, kind, payload, error, origin, received_at, tries)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (shard_id, stream_id) do nothing
