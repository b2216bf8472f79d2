-- Nothing of the server waits for its new shard any more, and "moved in" was seen.
update helpline.server_moves
set state = 'done', done_at = clock_timestamp()
where server_id = $1
    and to_shard = $2
    and state = 'left'
    and move_id = any ($3)
    and not exists (
        select from helpline.held_events where held_events.server_id = $1 and held_events.shard_id = $2
    )
