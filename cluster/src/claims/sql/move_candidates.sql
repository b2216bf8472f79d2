-- Of each shard that is out of bounds the heaviest servers and the lightest; none that is on its way or has moved
-- within its cooldown.
select c.server_id as "server_id!", source.shard_id as "shard_id!", c.load_milli::bigint as "load_milli!"
from unnest($1::integer[]) as source (shard_id)
cross join lateral (
    with free as (
        select p.server_id,
            coalesce(
                helpline.decayed_load(l.load_milli, l.measured_at), 0
            ) as load_milli
        from public.server_shards p
        left join helpline.server_load l on l.server_id = p.server_id
        where p.shard_id = source.shard_id
            and not exists (
                select from helpline.server_moves m
                where m.server_id = p.server_id
                    and (m.state <> 'done' or m.done_at > clock_timestamp() - make_interval(secs => $2))
            )
    )
    (select server_id, load_milli from free order by load_milli desc, server_id limit 400)
    union
    (select server_id, load_milli from free order by load_milli, server_id limit 100)
) as c
