-- Asked every second by every worker; both sides are all but empty.
select to_shard as "shard_id!" from helpline.server_moves where state = 'left'
union
select shard_id from helpline.held_events
