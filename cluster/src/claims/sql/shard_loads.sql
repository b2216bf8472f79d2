-- Every shard with what its servers cost now (decayed, as flush_load.sql has it). One pass over the servers that cost
-- anything, in the database; servers on their way count where they go.
with placed as (
    select coalesce(m.to_shard, p.shard_id) as shard_id,
        helpline.decayed_load(l.load_milli, l.measured_at) as load_milli
    from helpline.server_load l
    join public.server_shards p on p.server_id = l.server_id
    left join helpline.server_moves m on m.server_id = l.server_id and m.state = 'planned'
),
loads as (
    select shard_id, sum(load_milli) as load_milli from placed group by shard_id
),
on_their_way as (
    select shard_id,
        count(*) filter (where leaving and is_planned) as gone,
        count(*) filter (where not leaving and is_planned) as come,
        count(*) filter (where leaving and is_young) as leaving,
        count(*) filter (where not leaving and is_young) as coming
    from helpline.server_moves m
    cross join lateral (values (m.from_shard, true), (m.to_shard, false)) as side (shard_id, leaving)
    cross join lateral (
        select m.state = 'planned' as is_planned, m.created_at > clock_timestamp() - make_interval(secs => $1) as is_young
    ) as facts
    where m.state <> 'done'
    group by shard_id
)
select
    s.id as "id!",
    coalesce(l.load_milli, 0)::bigint as "load_milli!",
    (s.server_count + coalesce(w.come, 0) - coalesce(w.gone, 0))::bigint as "servers!",
    coalesce(w.leaving, 0)::bigint as "leaving!",
    coalesce(w.coming, 0)::bigint as "coming!",
    (f.owner is not null and exists (select from helpline.workers o where o.id = f.owner)) as "owned!"
from public.shards s
left join loads l on l.shard_id = s.id
left join on_their_way w on w.shard_id = s.id
left join helpline.shard_fences f on f.shard_id = s.id
order by s.id
