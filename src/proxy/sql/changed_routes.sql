-- Asked every second: two lookups by index, never a pass over all servers.
select
    s.id as server_id,
    p.shard_id,
    s.active and coalesce(s.config -> 'enabled' = 'true'::jsonb, false) as "listening!",
    greatest(s.updated_at, p.assigned_at) as "changed_at!"
from public.servers s
join public.server_shards p on p.server_id = s.id
where s.id = any (array(
    select c.id from public.servers c where c.updated_at > $1
    union
    select m.server_id from public.server_shards m where m.assigned_at > $1
))
