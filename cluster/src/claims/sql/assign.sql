insert into helpline.shard_assignments (shard_id, worker_id, moved_from, assigned_at)
select given.shard_id, given.worker_id, given.moved_from, clock_timestamp()
from unnest($1::integer[], $2::uuid[], $3::uuid[]) as given (shard_id, worker_id, moved_from)
-- a shard may have been removed since the plan was made
join public.shards s on s.id = given.shard_id
on conflict (shard_id) do update
set worker_id = excluded.worker_id, moved_from = excluded.moved_from, assigned_at = excluded.assigned_at
