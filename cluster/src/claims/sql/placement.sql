-- What the leader plans from. An owner that no longer lives is no owner.
select
    s.id,
    s.server_count,
    a.worker_id as "assigned?",
    a.moved_from as "moved_from?",
    coalesce(extract(epoch from clock_timestamp() - a.assigned_at), 0)::float8 as "assigned_seconds_ago!",
    w.id as "owner?",
    s.status <> 'offline' and w.id is null as "to_be_set_offline!",
    f.shard_id is not null and t.shard_id is not null as "known!"
from public.shards s
left join helpline.shard_fences f on f.shard_id = s.id
left join helpline.shard_streams t on t.shard_id = s.id
left join helpline.shard_assignments a on a.shard_id = s.id
left join helpline.workers w on w.id = f.owner
order by s.id
