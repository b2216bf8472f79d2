-- What operators look at: the cluster as a whole, for every service user, whatever tables he may read.

-- Nothing of servers, members or messages: numbers, and the names of processes. Counts end at ten thousand, so that a backlog of
-- millions does not make the look at it slow. Ages are by this server's clock.
-- Definer: proxies may not read who owns shards, workers not who holds gateway shards.
create function helpline.cluster_status() returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
select jsonb_build_object(
    'workers', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', w.id,
            'name', w.name,
            'draining', w.draining,
            'running_s', extract(epoch from now() - w.started_at)::bigint,
            'silent_ms', greatest(extract(epoch from now() - w.last_heartbeat) * 1000, 0)::bigint
        ) order by w.name, w.id), '[]')
        from helpline.workers w
    ),
    'proxies', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', p.id,
            'name', p.name,
            'draining', p.draining,
            'running_s', extract(epoch from now() - p.started_at)::bigint,
            'silent_ms', greatest(extract(epoch from now() - p.last_heartbeat) * 1000, 0)::bigint
        ) order by p.name, p.id), '[]')
        from helpline.proxies p
    ),
    'shards', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', s.id,
            'status', s.status,
            'owner', f.owner,
            'epoch', coalesce(f.epoch, 0),
            'owned_s', extract(epoch from now() - f.claimed_at)::bigint,
            'servers', s.server_count,
            'incarnation', coalesce(t.incarnation, 0),
            'cursor', coalesce(t.cursor_seq, 0),
            'leaving', coalesce(m.leaving, 0),
            'coming', coalesce(m.coming, 0),
            'held', coalesce(h.held, 0)
        ) order by s.id), '[]')
        from public.shards s
        left join helpline.shard_fences f on f.shard_id = s.id
        left join helpline.shard_streams t on t.shard_id = s.id
        left join (
            select e.shard_id, sum(e.leaving) as leaving, sum(e.coming) as coming
            from helpline.server_moves v
            cross join lateral (
                values (v.from_shard, (v.state = 'planned')::integer, 0), (v.to_shard, 0, 1)
            ) as e (shard_id, leaving, coming)
            where v.state <> 'done'
            group by e.shard_id
        ) m on m.shard_id = s.id
        left join (
            select e.shard_id, count(*) as held from helpline.held_events e group by e.shard_id
        ) h on h.shard_id = s.id
    ),
    'gateway_sets', (
        select coalesce(jsonb_agg(jsonb_build_object('total', g.total, 'state', g.state) order by g.total), '[]')
        from helpline.gateway_sets g
    ),
    'gateway_shards', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'id', g.id, 'total', g.total, 'phase', g.phase, 'up', g.up, 'owner', g.owner, 'epoch', g.epoch
        ) order by g.total, g.id), '[]')
        from helpline.gateway_shards g
    ),
    'waiting', jsonb_build_object(
        'questions', (select count(*) from (select from helpline.answer_jobs limit 10000) q),
        'oldest_question_s', (
            select extract(epoch from now() - min(q.created_at))::bigint
            from (select j.created_at from helpline.answer_jobs j limit 10000) q
        ),
        'effects', (select count(*) from (select from helpline.outbox where state = 'pending' limit 10000) e),
        'oldest_effect_s', (
            select extract(epoch from now() - min(e.created_at))::bigint
            from (select o.created_at from helpline.outbox o where o.state = 'pending' limit 10000) e
        ),
        'dead_letters', (select count(*) from (select from helpline.dead_letters limit 10000) d),
        'open_gaps', (select count(*) from (select from helpline.gaps where state = 'open' limit 10000) g)
    )
)
$$;

revoke all on function helpline.cluster_status() from public, anon, authenticated, service_role;
grant execute on function helpline.cluster_status() to helpline_worker, helpline_proxy, helpline_web;
