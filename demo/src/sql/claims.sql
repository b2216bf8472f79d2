select
    shard_fences.shard_id,
    shard_fences.epoch,
    (extract(epoch from shard_fences.claimed_at) * 1000)::bigint as claimed_ms,
    shard_streams.cursor_epoch,
    (extract(epoch from shard_streams.first_moved_at) * 1000)::bigint as first_moved_ms
from helpline.shard_fences
join helpline.shard_streams using (shard_id)
where shard_fences.shard_id = any($1) and shard_fences.owner is not null
