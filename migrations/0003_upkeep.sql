-- What the database keeps true by itself. Functions that write where their caller may not are security
-- definer, live in the unexposed schema and pin their search path.

-- Versions come from one sequence: the row lock that an update holds when it draws one makes them rise.
create function helpline.stamp_config_version() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
    if tg_op = 'UPDATE'
        and (new.config, new.active, new.plan_id) is not distinct from (old.config, old.active, old.plan_id)
    then
        new.config_version = old.config_version;
    else
        new.config_version = nextval('helpline.config_version_seq');
    end if;
    return new;
end
$$;

create trigger stamp_config_version before insert or update on public.servers
    for each row execute function helpline.stamp_config_version();

-- Tells listeners which server to look at again. server_id is a string: JSON numbers lose a snowflake's digits.
-- pg_notify fails from 8000 bytes on and would take the update with it: a config that does not fit is left out.
create function public.notify_server_config_changed() returns trigger
language plpgsql
set search_path = ''
as $$
declare
    payload text := json_build_object(
        'server_id', new.id::text,
        'config', new.config,
        'active', new.active,
        'config_version', new.config_version,
        'operation', lower(tg_op)
    );
begin
    if octet_length(payload) >= 8000 then
        payload := json_build_object(
            'server_id', new.id::text,
            'config', null,
            'active', new.active,
            'config_version', new.config_version,
            'operation', lower(tg_op)
        );
    end if;
    perform pg_notify('server_config_changed', payload);
    return null;
end
$$;

-- A removed server gets a last version of its own, so that a cache can tell it from what it replaces.
create function helpline.notify_server_removed() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
    perform pg_notify('server_config_changed', json_build_object(
        'server_id', old.id::text,
        'config', null,
        'active', false,
        'config_version', nextval('helpline.config_version_seq'),
        'operation', 'delete'
    )::text);
    return null;
end
$$;

create trigger notify_server_config_changed after update of config, active, plan_id on public.servers
    for each row
    when ((old.config, old.active, old.plan_id) is distinct from (new.config, new.active, new.plan_id))
    execute function public.notify_server_config_changed();
create trigger notify_server_added after insert on public.servers
    for each row execute function public.notify_server_config_changed();
create trigger notify_server_removed after delete on public.servers
    for each row execute function helpline.notify_server_removed();

-- Keeps shards.server_count: once per statement, rows locked in the order of their ids.
create function helpline.keep_server_count() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
    shard_ids integer[];
    changes bigint[];
begin
    if tg_op = 'TRUNCATE' then
        update public.shards set server_count = 0 where server_count <> 0;
        return null;
    elsif tg_op = 'INSERT' then
        select array_agg(d.shard_id), array_agg(d.change) into shard_ids, changes
        from (select shard_id, count(*) as change from added group by shard_id) d;
    elsif tg_op = 'DELETE' then
        select array_agg(d.shard_id), array_agg(d.change) into shard_ids, changes
        from (select shard_id, -count(*) as change from removed group by shard_id) d;
    else
        select array_agg(d.shard_id), array_agg(d.change) into shard_ids, changes
        from (
            select m.shard_id, sum(m.change)::bigint as change
            from (
                select shard_id, 1 as change from added
                union all
                select shard_id, -1 from removed
            ) m
            group by m.shard_id
            having sum(m.change) <> 0
        ) d;
    end if;
    if shard_ids is null then
        return null;
    end if;
    perform from public.shards s where s.id = any (shard_ids) order by s.id for no key update;
    update public.shards s
    set server_count = s.server_count + d.change
    from unnest(shard_ids, changes) as d (shard_id, change)
    where s.id = d.shard_id;
    return null;
end
$$;

create trigger keep_server_count_insert after insert on public.server_shards
    referencing new table as added
    for each statement execute function helpline.keep_server_count();
create trigger keep_server_count_update after update on public.server_shards
    referencing old table as removed new table as added
    for each statement execute function helpline.keep_server_count();
create trigger keep_server_count_delete after delete on public.server_shards
    referencing old table as removed
    for each statement execute function helpline.keep_server_count();
create trigger keep_server_count_truncate after truncate on public.server_shards
    for each statement execute function helpline.keep_server_count();

-- Raises the version of every server whose documents a statement touched. A server that is being removed takes
-- its documents along and has no version any more.
create function helpline.raise_knowledge_version() returns trigger
language plpgsql security definer
set search_path = ''
as $$
declare
    server_ids bigint[];
begin
    if tg_op = 'INSERT' then
        select array_agg(distinct server_id) into server_ids from added;
    elsif tg_op = 'DELETE' then
        select array_agg(distinct server_id) into server_ids from removed;
    else
        select array_agg(t.server_id) into server_ids
        from (select server_id from added union select server_id from removed) t;
    end if;
    insert into helpline.knowledge_versions as v (server_id, version)
    select s.id, 1
    from public.servers s
    where s.id = any (server_ids)
    order by s.id
    on conflict (server_id) do update set version = v.version + 1;
    return null;
end
$$;

create trigger raise_knowledge_version_insert after insert on public.knowledge_documents
    referencing new table as added
    for each statement execute function helpline.raise_knowledge_version();
create trigger raise_knowledge_version_update after update on public.knowledge_documents
    referencing old table as removed new table as added
    for each statement execute function helpline.raise_knowledge_version();
create trigger raise_knowledge_version_delete after delete on public.knowledge_documents
    referencing old table as removed
    for each statement execute function helpline.raise_knowledge_version();

-- A person who signs in for the first time becomes admin of the servers that waited for his Discord id.
-- Only the service writes public.users, so that nobody can claim somebody else's Discord id.
create function helpline.admit_pending_admins() returns trigger
language plpgsql security definer
set search_path = ''
as $$
begin
    with admitted as (
        delete from helpline.pending_admins where discord_id = new.discord_id returning server_id
    )
    insert into public.server_admins (server_id, user_id)
    select server_id, new.id from admitted
    on conflict do nothing;
    return null;
end
$$;

create trigger admit_pending_admins after insert or update of discord_id on public.users
    for each row execute function helpline.admit_pending_admins();

-- Adds servers seen for the first time, each on the shard that then has the fewest, and returns the shard of
-- every server asked for. Batches run one after another (the lock is held until the caller commits), so that
-- each sees the counts that the one before left; a batch that brings nothing new takes no lock.
create function helpline.add_servers(ids bigint[]) returns table (server_id bigint, shard_id integer)
language plpgsql security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
    unplaced bigint[];
begin
    if exists (
        select from unnest(ids) as seen (id)
        where not exists (select from public.server_shards p where p.server_id = seen.id)
    ) then
        perform pg_advisory_xact_lock(hashtextextended('helpline.add_servers', 0));
        select array_agg(distinct seen.id order by seen.id) into unplaced
        from unnest(ids) as seen (id)
        where not exists (select from public.server_shards p where p.server_id = seen.id);

        if unplaced is not null and not exists (select from public.shards) then
            raise exception 'there are no shards to put servers on' using hint = 'run `helpline migrate`';
        end if;

        insert into public.servers (id, name)
        select fresh.id, 'Server ' || fresh.id from unnest(unplaced) as fresh (id)
        on conflict (id) do nothing;

        -- Each shard offers its next places, numbered by the count they would bring it to; the lowest go first.
        -- No place above the level that holds everybody is needed.
        insert into public.server_shards (server_id, shard_id)
        select fresh.id, place.shard_id
        from unnest(unplaced) with ordinality as fresh (id, n)
        join (
            select s.id as shard_id, row_number() over (order by next.count, s.id) as n
            from public.shards s
            cross join (
                select greatest(
                    max(server_count),
                    ceil((sum(server_count) + cardinality(unplaced))::numeric / count(*))
                )::integer as count
                from public.shards
            ) level
            cross join lateral generate_series(
                s.server_count + 1,
                least(s.server_count + cardinality(unplaced), level.count)
            ) as next (count)
        ) place using (n)
        on conflict (server_id) do nothing;
    end if;

    return query
    select p.server_id, p.shard_id from public.server_shards p where p.server_id = any (ids);
end
$$;
