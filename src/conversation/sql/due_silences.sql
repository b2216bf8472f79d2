select q.server_id, q.conversation_id, s.shard_id
from helpline.silences q
join public.server_shards s on s.server_id = q.server_id
where q.look_at <= $2 and s.shard_id = any ($1)
order by q.look_at
limit 100
