select
    s.id as server_id,
    p.shard_id,
    s.active and coalesce(s.config -> 'enabled' = 'true'::jsonb, false) as "listening!",
    greatest(s.updated_at, p.assigned_at) as "changed_at!"
from public.servers s
join public.server_shards p on p.server_id = s.id
where s.updated_at > $1 or p.assigned_at > $1
