-- Of the whole cluster: few, and gone within a moment.
select distinct s.shard_id as "shard_id!"
from helpline.outbox o
join public.server_shards s on s.server_id = o.server_id
where o.state = 'pending' and o.effect = 'ticket'
