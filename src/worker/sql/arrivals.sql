-- Servers of whose moves to this shard something remains to be done.
select server_id as "server_id!" from helpline.server_moves where to_shard = $1 and state = 'left'
union
select server_id from helpline.held_events where shard_id = $1
