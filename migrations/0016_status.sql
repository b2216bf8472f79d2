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

-- What is kept, and for how long ----------------------------------------------------------------------------------

-- For what is deleted with the age of a question.
create index resolutions_day_idx on helpline.resolutions using brin (day);
create index dead_letters_created_at_idx on helpline.dead_letters (created_at);

-- Deletes these conversations of one server, unless one went on meanwhile, with what hangs on them; tickets, votes and jobs go by
-- their references. Returns how many.
create function helpline.drop_conversations(shard integer, server bigint, ids uuid[], silent_since timestamptz) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    gone uuid[];
    tickets uuid[];
begin
    -- Locked as in every write of a server's rows; one that is just leaving is left to its next owner.
    perform from public.server_shards p where p.server_id = server and p.shard_id = shard for share skip locked;
    if not found then
        return 0;
    end if;
    select array_agg(t.id) into tickets
    from public.forwarded_tickets t
    where t.server_id = server and t.conversation_id = any (ids);
    with dropped as (
        delete from public.conversations c
        where c.server_id = server and c.id = any (ids) and c.updated_at < silent_since
        returning c.id
    )
    select array_agg(d.id) into gone from dropped d;
    delete from helpline.silences s where s.server_id = server and s.conversation_id = any (gone);
    delete from helpline.suggestions s
    where s.server_id = server and s.ticket_id = any (tickets)
        and not exists (select from public.forwarded_tickets t where t.id = s.ticket_id);
    return coalesce(cardinality(gone), 0);
end
$$;

-- Deletes conversations of the shard's servers in which nothing happened for so many days and no ticket is open, some at a time.
-- Those without a partition of their own are looked for in the default partition alone, so that no other is locked.
-- Definer: workers may not delete conversations. Whoever is waited for longer than that gives way: it is tried again.
create function helpline.forget_old_conversations(shard integer, days integer, most integer) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set lock_timeout = '2s'
as $$
declare
    silent_since timestamptz := now() - make_interval(days => greatest(days, 1));
    old record;
    own bigint;
    ids uuid[];
    forgotten bigint := 0;
begin
    for old in
        select o.server_id, array_agg(o.id) as ids
        from (
            select c.server_id, c.id
            from helpline.conversations_default c
            join public.server_shards p on p.server_id = c.server_id
            where p.shard_id = shard and c.created_at < silent_since and c.updated_at < silent_since
                and not exists (
                    select from public.forwarded_tickets t
                    where t.server_id = c.server_id and t.conversation_id = c.id and t.status <> 'resolved'
                )
            order by c.created_at
            limit most
        ) o
        group by o.server_id
        order by o.server_id
    loop
        forgotten := forgotten + helpline.drop_conversations(shard, old.server_id, old.ids, silent_since);
    end loop;
    for own in
        select p.server_id
        from pg_inherits i
        join pg_class t on t.oid = i.inhrelid
        join public.server_shards p
            on p.server_id = substring(pg_get_expr(t.relpartbound, t.oid) from '^FOR VALUES IN \(''(\d+)''\)$')::bigint
        where i.inhparent = 'public.conversations'::regclass and p.shard_id = shard
        order by p.server_id
    loop
        exit when forgotten >= most;
        select array_agg(o.id) into ids
        from (
            select c.id
            from public.conversations c
            where c.server_id = own and c.created_at < silent_since and c.updated_at < silent_since
                and not exists (
                    select from public.forwarded_tickets t
                    where t.server_id = own and t.conversation_id = c.id and t.status <> 'resolved'
                )
            order by c.created_at
            limit most - forgotten
        ) o;
        forgotten := forgotten + helpline.drop_conversations(shard, own, ids, silent_since);
    end loop;
    return forgotten;
end
$$;

-- Puts statistics of days more than thirteen months ago together: a row of the month's first day has the whole month then. Some
-- rows at a time; returns how many days went. Nobody counts for such days any more. Definer: workers may not delete statistics.
create function helpline.roll_up_analytics(most integer) returns bigint
language sql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
with old as (
    select a.id
    from public.analytics a
    where a.date < (date_trunc('month', now() at time zone 'utc') - interval '13 months')::date
        and extract(day from a.date) <> 1
    order by a.date
    limit most
    for update skip locked
), gone as (
    delete from public.analytics a
    using old
    where a.id = old.id
    returning a.server_id, date_trunc('month', a.date)::date as month, a.total_queries, a.resolved_queries,
        a.assumed_resolutions, a.forwarded_tickets, a.responses, a.response_ms
), months as (
    select g.server_id, g.month, count(*) as days, sum(g.total_queries)::integer as total_queries,
        sum(g.resolved_queries)::integer as resolved_queries, sum(g.assumed_resolutions)::integer as assumed_resolutions,
        sum(g.forwarded_tickets)::integer as forwarded_tickets, sum(g.responses)::integer as responses,
        sum(g.response_ms)::bigint as response_ms
    from gone g
    group by g.server_id, g.month
), stored as (
    insert into public.analytics as known
        (server_id, date, total_queries, resolved_queries, assumed_resolutions, forwarded_tickets, responses, response_ms,
        average_response_time)
    select m.server_id, m.month, m.total_queries, m.resolved_queries, m.assumed_resolutions, m.forwarded_tickets,
        m.responses, m.response_ms, round(m.response_ms / 1000.0 / nullif(m.responses, 0), 2)
    from months m
    order by m.server_id, m.month
    on conflict (server_id, date) do update
    set total_queries = known.total_queries + excluded.total_queries,
        resolved_queries = known.resolved_queries + excluded.resolved_queries,
        assumed_resolutions = known.assumed_resolutions + excluded.assumed_resolutions,
        forwarded_tickets = known.forwarded_tickets + excluded.forwarded_tickets,
        responses = known.responses + excluded.responses,
        response_ms = known.response_ms + excluded.response_ms,
        average_response_time = round(
            (known.response_ms + excluded.response_ms) / 1000.0 / nullif(known.responses + excluded.responses, 0), 2
        )
)
select coalesce(sum(m.days), 0)::bigint from months m
$$;

revoke all on function
    helpline.drop_conversations(integer, bigint, uuid[], timestamptz), helpline.forget_old_conversations(integer, integer, integer),
    helpline.roll_up_analytics(integer)
from public, anon, authenticated, service_role;
grant execute on function
    helpline.forget_old_conversations(integer, integer, integer), helpline.roll_up_analytics(integer)
to helpline_worker;

-- How hot tables are stored ---------------------------------------------------------------------------------------

-- Few rows that are written again and again: half of each page is free, so that a new version stays on the page of the old one,
-- needs no entry in an index and goes without a vacuum. Vacuumed by number, because a share of few is few.
alter table public.shards set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table helpline.shard_streams set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table helpline.shard_fences set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table helpline.workers set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table helpline.proxies set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table helpline.gateway_shards set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Rows that come and go: dead ones are to be found soon, not when a fifth of a table of millions is dead.
alter table helpline.outbox
    set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table helpline.answer_jobs
    set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
alter table helpline.event_keys set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
alter table helpline.asked set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
alter table helpline.held_events set (autovacuum_vacuum_scale_factor = 0.02);
alter table helpline.silences set (autovacuum_vacuum_scale_factor = 0.05);

-- Rows that are written a few times each.
alter table helpline.server_load set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
alter table helpline.channel_marks set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
alter table public.analytics set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- Each partition has settings of its own; src/partition/sql/stage.sql gives the same to those that come.
do $$
declare
    part regclass;
begin
    for part in select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'public.conversations'::regclass loop
        execute format('alter table %s set (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05)', part);
    end loop;
end
$$;
