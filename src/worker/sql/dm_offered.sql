-- A server that a member was offered not long ago and that still takes direct messages.
select s.name, p.shard_id
from helpline.dm_desk d
join public.servers s on s.id = $2
join public.server_shards p on p.server_id = s.id
where d.user_id = $1 and $2 = any (d.offered) and d.at > now() - interval '1 day'
    and s.active and s.config -> 'enabled' = 'true'::jsonb
for share of p
