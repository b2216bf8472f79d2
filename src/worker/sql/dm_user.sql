-- Whose direct messages a channel holds: a deletion does not say it.
select user_id as "user_id!" from helpline.dm_routes where channel_id = $1
union all
select user_id from helpline.dm_waiting where channel_id = $1
limit 1
