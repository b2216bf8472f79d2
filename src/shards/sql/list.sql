with loads as (
    select p.shard_id,
        sum(helpline.decayed_load(l.load_milli, l.measured_at)) as load_milli
    from helpline.server_load l
    join public.server_shards p on p.server_id = l.server_id
    group by p.shard_id
)
select
    s.id as "id!",
    s.status as "status!",
    w.name as "owner?",
    coalesce(f.epoch, 0) as "epoch!",
    s.server_count as "server_count!",
    coalesce(l.load_milli, 0)::float8 / 1000 as "load!",
    coalesce(t.incarnation, 0) as "incarnation!",
    coalesce(t.cursor_seq, 0) as "cursor_seq!",
    (select count(*) from helpline.server_moves m where m.from_shard = s.id and m.state = 'planned') as "leaving!",
    (select count(*) from helpline.server_moves m where m.to_shard = s.id and m.state <> 'done') as "coming!",
    (select count(*) from helpline.held_events h where h.shard_id = s.id) as "held!"
from public.shards s
left join helpline.shard_fences f on f.shard_id = s.id
left join helpline.shard_streams t on t.shard_id = s.id
left join helpline.workers w on w.id = f.owner
left join loads l on l.shard_id = s.id
order by s.id
