-- Where a member's direct messages go, if that may be and nothing of his waits. FOR SHARE: the server moves before what is
-- held of it here, or after it.
select r.server_id, p.shard_id
from helpline.dm_routes r
join public.servers s on s.id = r.server_id
join public.server_shards p on p.server_id = r.server_id
where r.user_id = $1
    and r.checked_at > now() - interval '1 hour'
    and s.active and s.config -> 'enabled' = 'true'::jsonb
    and not exists (select from helpline.dm_waiting w where w.user_id = $1)
for share of p
