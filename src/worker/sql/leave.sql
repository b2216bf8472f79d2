-- The server lives on its new shard from the commit on. Waits for every transaction that writes rows of it here.
with left_behind as (
    update public.server_shards
    set shard_id = $3, assigned_at = clock_timestamp()
    where server_id = $1 and shard_id = $2
    returning server_id
)
update helpline.server_moves
set state = 'left', left_at = clock_timestamp()
from left_behind
where server_moves.server_id = left_behind.server_id
    and server_moves.from_shard = $2
    and server_moves.to_shard = $3
    and server_moves.state = 'planned'
