-- The server of a conversation in a member's direct messages; of nobody else's.
select d.server_id, p.shard_id
from helpline.dm_conversations d
join public.server_shards p on p.server_id = d.server_id
where d.conversation_id = $1 and d.user_id = $2
for share of p
