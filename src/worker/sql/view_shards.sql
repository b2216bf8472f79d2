-- What is told of the shards of one worker. Their loads are summed here and not by the leader, who sums the whole cluster's.
select s.id, s.server_count, t.incarnation, t.cursor_seq,
    coalesce((
        select sum(helpline.decayed_load(l.load_milli, l.measured_at))
        from public.server_shards p
        join helpline.server_load l on l.server_id = p.server_id
        where p.shard_id = s.id
    ), 0)::float8 / 1000 as "load!"
from public.shards s
join helpline.shard_streams t on t.shard_id = s.id
where s.id = any ($1)
