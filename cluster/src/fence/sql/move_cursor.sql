-- The cursor never goes back, and never moves in an incarnation that has been given up.
-- The first move under an epoch stamps first_moved_at with the moment itself, not the transaction's start.
update helpline.shard_streams
set
    cursor_seq = $3,
    cursor_epoch = $4,
    first_moved_at = case when cursor_epoch = $4 and first_moved_at is not null
        then first_moved_at else clock_timestamp() end,
    moved_at = clock_timestamp()
where shard_id = $1
    and incarnation = $2
    and cursor_seq < $3
