-- The next held event that this shard's owner may apply: its server lives here.
select h.id
from helpline.held_events h
join public.server_shards p on p.server_id = h.server_id and p.shard_id = h.shard_id
where h.shard_id = $1 and h.server_id = $2
order by h.id
limit 1
