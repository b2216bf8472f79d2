-- Asked every second: the index has the open moves alone.
select server_id, move_id, from_shard, to_shard, state = 'left' as "left!"
from helpline.server_moves
where state <> 'done'
