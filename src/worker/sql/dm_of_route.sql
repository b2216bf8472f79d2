-- The server that a member has chosen, if it still takes direct messages.
select s.id as server_id, s.name
from helpline.dm_routes r
join public.servers s on s.id = r.server_id
where r.user_id = $1 and s.active and s.config -> 'enabled' = 'true'::jsonb
