-- The move that a marker names, and where its server stands. Locked: two owners of its shards change it.
select
    server_moves.server_id as "server_id!",
    server_moves.from_shard as "from_shard!",
    server_moves.to_shard as "to_shard!",
    server_moves.state = 'left' as "left!",
    server_shards.shard_id as "lives_on!",
    exists (
        select from helpline.held_events
        where held_events.shard_id = $2 and held_events.server_id = server_moves.server_id
    ) as "waiting!"
from helpline.server_moves
join public.server_shards on server_shards.server_id = server_moves.server_id
where server_moves.move_id = $1 and server_moves.state <> 'done'
for update of server_moves
