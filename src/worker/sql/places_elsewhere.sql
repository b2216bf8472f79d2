-- For servers that are not here: where they live, and whether they are about to leave for somewhere.
select
    server_shards.server_id as "server_id!",
    server_shards.shard_id as "shard_id!",
    server_moves.move_id as "move_id?",
    server_moves.from_shard as "from_shard?",
    server_moves.to_shard as "to_shard?"
from public.server_shards
left join helpline.server_moves on server_moves.server_id = server_shards.server_id and server_moves.state = 'planned'
where server_shards.server_id = any ($1)
