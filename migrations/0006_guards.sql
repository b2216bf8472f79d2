-- What an attack on the first five migrations got through, closed; and the lawful ways of a ticket. docs/schema.md
-- tells each hole. Functions that are replaced here keep their meaning: the previous release runs on them.

-- Functions are not fooled by a caller's temporary types -----------------------------------------------------

-- An empty search path still looks into pg_temp first, for types as well: a temporary domain called text, with a
-- check of the attacker's, ran with the rights of the function's owner. Named last, pg_temp shadows nothing.
alter function public.set_updated_at() set search_path = pg_catalog, pg_temp;
alter function public.notify_server_config_changed() set search_path = pg_catalog, pg_temp;
alter function helpline.stamp_config_version() set search_path = pg_catalog, pg_temp;
alter function helpline.notify_server_removed() set search_path = pg_catalog, pg_temp;
alter function helpline.keep_server_count() set search_path = pg_catalog, pg_temp;
alter function helpline.raise_knowledge_version() set search_path = pg_catalog, pg_temp;

do $$
begin
    -- Supabase's own auth.uid() belongs to somebody else and stays as it is.
    if exists (
        select from pg_proc p join pg_roles r on r.oid = p.proowner
        where p.oid = to_regprocedure('auth.uid()') and r.rolname = current_user
    ) then
        alter function auth.uid() set search_path = pg_catalog, pg_temp;
    end if;
end
$$;

-- What default privileges left open ---------------------------------------------------------------------------

-- service_role had truncate, which no policy bounds, and trigger, whose function runs as whoever writes next.
revoke truncate, references, trigger on table
    public.users, public.servers, public.server_admins, public.knowledge_documents, public.conversations,
    public.forwarded_tickets, public.shards, public.server_shards, public.billing_plans,
    public.subscriptions, public.invoices, public.analytics
from service_role;
revoke all on function public.set_updated_at(), public.notify_server_config_changed() from service_role;
do $$
begin
    -- Where auth is ours, default privileges opened it as well.
    if (
        select r.rolname = current_user from pg_class c join pg_roles r on r.oid = c.relowner
        where c.oid = 'auth.users'::regclass
    ) then
        revoke all on table auth.users from service_role;
    end if;
end
$$;

-- Choosing the id of a document told whether another server has a document of that id.
revoke insert (id) on table public.knowledge_documents from authenticated;

-- A database that was made before Postgres 15 lets everybody create in public.
do $$
begin
    if has_schema_privilege('public', 'public', 'create') then
        revoke create on schema public from public;
    end if;
exception
    when insufficient_privilege then
        raise warning 'everybody may create in the schema public; as its owner run: '
            'revoke create on schema public from public';
end
$$;

-- The planner tells an outsider nothing -----------------------------------------------------------------------

-- Row security hides rows, not the planner's estimate of how many there are, and PostgREST hands that out
-- (Prefer: count=planned): how many conversations another server has, or a member anywhere. This equality is
-- true of every row, and the planner takes it for one in a thousand; three of them bring every estimate down to 1.
create operator helpline.=== (
    function = pg_catalog.int8eq, leftarg = bigint, rightarg = bigint, restrict = pg_catalog.contsel
);

do $$
declare
    guarded record;
begin
    for guarded in
        select * from (values
            ('servers', 'id'), ('server_admins', 'server_id'), ('knowledge_documents', 'server_id'),
            ('conversations', 'server_id'), ('forwarded_tickets', 'server_id'), ('subscriptions', 'server_id'),
            ('invoices', 'server_id'), ('analytics', 'server_id')
        ) as t (name, key)
    loop
        execute format(
            'create policy estimate_nothing on public.%1$I as restrictive for select to authenticated using (
                 %2$I operator(helpline.===) %2$I
                 and %2$I operator(helpline.===) %2$I
                 and %2$I operator(helpline.===) %2$I
             )',
            guarded.name, guarded.key
        );
    end loop;
end
$$;

-- A row stays with its server ---------------------------------------------------------------------------------

-- What was derived from it carries the server's id too, and would go on answering there.
create function helpline.refuse_to_move() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a row of %.% stays with its server', tg_table_schema, tg_table_name
        using errcode = 'HL002', hint = 'delete it and insert it where it belongs';
end
$$;

create trigger refuse_to_move before update of id on public.servers
    for each row when (old.id <> new.id) execute function helpline.refuse_to_move();

do $$
declare
    guarded text;
begin
    foreach guarded in array array[
        'public.server_admins', 'public.knowledge_documents', 'public.conversations', 'public.forwarded_tickets',
        'public.server_shards', 'public.subscriptions', 'public.invoices', 'public.analytics',
        'helpline.pending_admins', 'helpline.answer_jobs', 'helpline.asked', 'helpline.feedback', 'helpline.model_spent',
        'helpline.outbox', 'helpline.knowledge_passages',
        'helpline.knowledge_indexed', 'helpline.knowledge_versions'
    ] loop
        execute format(
            'create trigger refuse_to_move before update of server_id on %s
             for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move()',
            guarded
        );
    end loop;
end
$$;

-- What points to a row of a server is of that server, as forwarded_tickets and answer_jobs had it already.
alter table public.knowledge_documents
    add constraint knowledge_documents_server_id_id_key unique (server_id, id);
delete from helpline.knowledge_passages p
where not exists (
    select from public.knowledge_documents d where d.server_id = p.server_id and d.id = p.document_id
);
alter table helpline.knowledge_passages
    drop constraint knowledge_passages_document_id_fkey,
    add foreign key (server_id, document_id)
        references public.knowledge_documents (server_id, id) on delete cascade;
delete from helpline.knowledge_indexed i
where not exists (
    select from public.knowledge_documents d where d.server_id = i.server_id and d.id = i.document_id
);
alter table helpline.knowledge_indexed
    drop constraint knowledge_indexed_document_id_fkey,
    add foreign key (server_id, document_id)
        references public.knowledge_documents (server_id, id) on delete cascade;
alter table public.subscriptions add constraint subscriptions_server_id_id_key unique (server_id, id);
-- In place of the narrower key: with two of them PostgREST cannot tell which one an embedded resource means.
alter table public.invoices
    drop constraint invoices_subscription_id_fkey,
    add foreign key (server_id, subscription_id)
        references public.subscriptions (server_id, id) on delete cascade;

-- What admins write has bounds --------------------------------------------------------------------------------

-- Workers and proxies share what they read: JSON that no reader but Postgres accepts (1e400, a thousand arrays
-- inside each other) stopped every server of the same shard. Only changes are looked at, so that no row is stuck.
create function helpline.check_server() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if char_length(new.name) > 200 then
        raise exception 'the name of a server has % characters, at most 200 are possible', char_length(new.name)
            using errcode = 'check_violation', column = 'name';
    end if;
    if jsonb_typeof(new.config) <> 'object' then
        raise exception 'the config of a server is a JSON object, not %', jsonb_typeof(new.config)
            using errcode = 'check_violation', column = 'config';
    end if;
    if octet_length(new.config::text) > 262144 then
        raise exception 'the config of a server has % bytes, at most 262144 are possible',
            octet_length(new.config::text)
            using errcode = 'check_violation', column = 'config';
    end if;
    if jsonb_path_exists(new.config, 'strict $.**{32}')
        or jsonb_path_exists(
            new.config, 'strict $.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))'
        )
    then
        raise exception 'the config of a server is nested too deeply or holds a number out of range'
            using errcode = 'check_violation', column = 'config';
    end if;
    return new;
end
$$;

create trigger check_server_inserted before insert on public.servers
    for each row execute function helpline.check_server();
create trigger check_server_updated before update of name, config on public.servers
    for each row
    when ((old.name, old.config) is distinct from (new.name, new.config))
    execute function helpline.check_server();

-- A worker reads a document whole, beside those of other servers.
create function helpline.check_document() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if octet_length(new.content) > 1048576 then
        raise exception 'the document has % bytes, at most 1048576 are possible', octet_length(new.content)
            using errcode = 'check_violation', column = 'content', hint = 'split it into several documents';
    end if;
    if char_length(new.title) > 1000 then
        raise exception 'the title has % characters, at most 1000 are possible', char_length(new.title)
            using errcode = 'check_violation', column = 'title';
    end if;
    return new;
end
$$;

create trigger check_document_inserted before insert on public.knowledge_documents
    for each row execute function helpline.check_document();
create trigger check_document_updated before update of title, content on public.knowledge_documents
    for each row
    when ((old.title, old.content) is distinct from (new.title, new.content))
    execute function helpline.check_document();

-- Whoever changes his Discord account leaves the servers of the old one -----------------------------------------

create or replace function helpline.admit_pending_admins() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' then
        if new.discord_id = old.discord_id then
            return null;
        end if;
        -- The rows belong to the account: they wait for whoever signs in with it.
        with left_behind as (
            delete from public.server_admins where user_id = new.id returning server_id
        )
        insert into helpline.pending_admins (server_id, discord_id)
        select server_id, old.discord_id from left_behind
        on conflict do nothing;
    end if;
    with admitted as (
        delete from helpline.pending_admins where discord_id = new.discord_id returning server_id
    )
    insert into public.server_admins (server_id, user_id)
    select server_id, new.id from admitted
    on conflict do nothing;
    return null;
end
$$;

-- Placing servers waits for a row that only its function can lock -----------------------------------------------

-- Any session may hold any advisory lock: helpline_web, or whoever stole its password, could have kept every new
-- server out for as long as it liked.
create table helpline.placing_lock (
    only_row boolean primary key default true check (only_row)
);
alter table helpline.placing_lock enable row level security;
revoke all on table helpline.placing_lock from public, anon, authenticated, service_role;
insert into helpline.placing_lock default values;

create or replace function helpline.add_servers(ids bigint[]) returns table (server_id bigint, shard_id integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    unplaced bigint[];
begin
    if exists (
        select from unnest(ids) as seen (id)
        where not exists (select from public.server_shards p where p.server_id = seen.id)
    ) then
        perform from helpline.placing_lock for update;
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

-- The lawful ways of a ticket -----------------------------------------------------------------------------------

-- The same table is TRANSITIONS in src/conversation/ticket.rs; a test compares the two.
-- assigned_to, resolved_at, resolution_notes: what they are afterwards. conversation_status: what becomes of the
-- conversation. A resolved ticket that names nobody is one that went back to the bot.
create table helpline.ticket_transitions (
    name text primary key,
    from_status text check (from_status in ('pending', 'assigned', 'resolved')),
    to_status text not null check (to_status in ('pending', 'assigned', 'resolved')),
    assigned_to text not null check (assigned_to in ('set', 'cleared')),
    resolved_at text not null check (resolved_at in ('set', 'cleared')),
    resolution_notes text not null check (resolution_notes in ('optional', 'cleared')),
    conversation_status text not null check (conversation_status in ('active', 'completed', 'forwarded')),
    actors text[] not null
);
create unique index ticket_transitions_step_key
    on helpline.ticket_transitions (coalesce(from_status, ''), to_status, assigned_to);
alter table helpline.ticket_transitions enable row level security;
revoke all on table helpline.ticket_transitions from public, anon, authenticated, service_role;
grant select on table helpline.ticket_transitions to helpline_worker;
create policy ticket_transitions_worker on helpline.ticket_transitions
    for select to helpline_worker using (true);

insert into helpline.ticket_transitions values
    ('open', null, 'pending', 'cleared', 'cleared', 'cleared', 'forwarded', '{helpline_worker,service_role}'),
    ('claim', 'pending', 'assigned', 'set', 'cleared', 'cleared', 'forwarded',
        '{helpline_worker,service_role,authenticated}'),
    ('transfer', 'assigned', 'assigned', 'set', 'cleared', 'cleared', 'forwarded',
        '{helpline_worker,service_role,authenticated}'),
    ('release', 'assigned', 'pending', 'cleared', 'cleared', 'cleared', 'forwarded',
        '{helpline_worker,service_role,authenticated}'),
    ('resolve_unclaimed', 'pending', 'resolved', 'set', 'set', 'optional', 'completed',
        '{helpline_worker,service_role,authenticated}'),
    ('resolve', 'assigned', 'resolved', 'set', 'set', 'optional', 'completed',
        '{helpline_worker,service_role,authenticated}'),
    ('hand_back_unclaimed', 'pending', 'resolved', 'cleared', 'set', 'optional', 'active',
        '{helpline_worker,service_role,authenticated}'),
    ('hand_back', 'assigned', 'resolved', 'cleared', 'set', 'optional', 'active',
        '{helpline_worker,service_role,authenticated}'),
    ('reopen', 'resolved', 'pending', 'cleared', 'cleared', 'cleared', 'forwarded',
        '{helpline_worker,service_role,authenticated}'),
    ('reopen_claimed', 'resolved', 'assigned', 'set', 'cleared', 'cleared', 'forwarded',
        '{helpline_worker,service_role,authenticated}');

-- Whom a ticket is changed by: PostgREST takes its role with set role, a service user signs in as itself. The
-- owner, who repairs and moves rows, is none of those that a transition names.
create function helpline.ticket_actor() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(nullif(current_setting('role', true), 'none'), session_user::text)
$$;

-- Which way a change of a ticket is; no row when there is none.
create function helpline.ticket_step(old_status text, new_status text, new_assigned_to text)
returns setof helpline.ticket_transitions
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select *
    from helpline.ticket_transitions t
    where t.from_status is not distinct from old_status
        and t.to_status = new_status
        and t.assigned_to = case when new_assigned_to is null then 'cleared' else 'set' end
$$;

-- Security definer, because dashboards cannot read the table of transitions.
create function helpline.guard_ticket() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    actor text := helpline.ticket_actor();
    is_role boolean := actor in ('helpline_worker', 'service_role', 'authenticated');
    old_status text;
    step helpline.ticket_transitions;
begin
    if tg_op = 'INSERT' then
        -- The owner restores and moves tickets of every status.
        if not is_role then
            return new;
        end if;
    else
        old_status := old.status;
        if (new.id, new.conversation_id, new.forwarded_at)
            is distinct from (old.id, old.conversation_id, old.forwarded_at)
        then
            raise exception 'a ticket stays what it was opened for' using errcode = 'HL002',
                hint = 'id, conversation_id and forwarded_at do not change';
        end if;
        if new.status = 'pending' and new.assigned_to is not distinct from old.assigned_to then
            new.assigned_to := null;
        end if;
        -- No step at all: only the notes of a resolved ticket may be amended.
        if new.status = old.status and new.assigned_to is not distinct from old.assigned_to then
            new.resolved_at := old.resolved_at;
            if new.resolution_notes is distinct from old.resolution_notes then
                perform helpline.check_ticket_notes(new.status, new.resolution_notes);
            end if;
            return new;
        end if;
    end if;

    if new.assigned_to !~ '^[1-9][0-9]{0,19}$' then
        raise exception 'assigned_to is the Discord id of a person' using errcode = 'check_violation',
            column = 'assigned_to', hint = 'digits only, as in 123456789012345678';
    end if;
    select * into step from helpline.ticket_step(old_status, new.status, new.assigned_to);
    if not found or (is_role and actor <> all (step.actors)) then
        raise exception 'a ticket does not go from % to % with assigned_to %',
            coalesce(old_status, 'nothing'), new.status,
            case when new.assigned_to is null then 'cleared' else 'set' end
            using errcode = 'HL001', hint = (
                select 'lawful from here: ' || coalesce(string_agg(
                    format('%s (status %s, assigned_to %s)', t.name, t.to_status, t.assigned_to), '; '
                    order by t.name
                ), 'nothing')
                from helpline.ticket_transitions t
                where t.from_status is not distinct from old_status
                    and (not is_role or actor = any (t.actors))
            );
    end if;

    new.resolved_at := case when step.resolved_at = 'set' then now() end;
    -- Notes that stood there before belong to the resolution that is taken back.
    if step.resolution_notes = 'cleared' and tg_op = 'UPDATE'
        and new.resolution_notes is not distinct from old.resolution_notes
    then
        new.resolution_notes := null;
    end if;
    perform helpline.check_ticket_notes(new.status, new.resolution_notes);
    return new;
end
$$;

create function helpline.check_ticket_notes(status text, notes text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if notes is not null and status <> 'resolved' then
        raise exception 'only a resolved ticket has resolution notes' using errcode = 'HL001',
            hint = 'write them with status resolved';
    end if;
    if char_length(notes) > 10000 then
        raise exception 'the notes have % characters, at most 10000 are possible', char_length(notes)
            using errcode = 'check_violation', column = 'resolution_notes';
    end if;
end
$$;

-- The conversation follows its ticket, in the same transaction: forwarded as long as one is open, afterwards what
-- the last step says. The conversation is locked first, so that of two tickets the later sees the earlier closed.
-- The notification is a hint for the owner of the server's shard. A worker that opens a ticket is that owner, and
-- that is the hot path: no notification then. plan_cache_mode: a generic plan would lock every partition.
create function helpline.follow_ticket() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    actor text := helpline.ticket_actor();
    ticket public.forwarded_tickets;
    old_status text;
    step helpline.ticket_transitions;
    becomes text;
begin
    if tg_op = 'DELETE' then
        ticket := old;
        old_status := old.status;
        becomes := 'active';
    else
        ticket := new;
        if tg_op = 'UPDATE' then
            old_status := old.status;
        end if;
        select * into step from helpline.ticket_step(old_status, new.status, new.assigned_to);
        becomes := step.conversation_status;
    end if;

    perform from public.conversations c
    where c.server_id = ticket.server_id and c.id = ticket.conversation_id
    for no key update;
    if exists (
        select from public.forwarded_tickets t
        where t.server_id = ticket.server_id
            and t.conversation_id = ticket.conversation_id
            and t.status <> 'resolved'
    ) then
        becomes := 'forwarded';
    end if;
    update public.conversations c
    set status = becomes, completed_at = case when becomes = 'completed' then now() end
    where c.server_id = ticket.server_id and c.id = ticket.conversation_id and c.status <> becomes;

    if tg_op <> 'INSERT' or actor <> 'helpline_worker' then
        perform pg_notify('forwarded_ticket_changed', json_build_object(
            'server_id', ticket.server_id::text,
            'conversation_id', ticket.conversation_id::text,
            'ticket_id', ticket.id::text,
            'transition', coalesce(step.name, 'delete'),
            'status', case when tg_op <> 'DELETE' then ticket.status end
        )::text);
    end if;
    return null;
end
$$;

-- The ticket's message on Discord follows, whoever changed it: an effect for the owner of the shard, who may be asleep to
-- the notification and finds it anyway. Its words are made when it is carried out, so beyond fifty that wait one more
-- would show nothing new. Security definer, because dashboards see nothing of the outbox.
create function helpline.show_ticket() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into helpline.outbox (server_id, conversation_id, event_id, effect, request)
    select new.server_id, new.conversation_id, 'ticket:' || gen_random_uuid(), 'ticket',
        jsonb_build_object('do', 'show_ticket', 'ticket', new.id)
    where (
        select count(*) from helpline.outbox o
        where o.server_id = new.server_id and o.conversation_id = new.conversation_id
            and o.effect = 'ticket' and o.state = 'pending'
    ) < 50;
    return null;
end
$$;

create trigger show_ticket after update of status, assigned_to, resolution_notes on public.forwarded_tickets
    for each row
    when (
        (old.status, old.assigned_to, old.resolution_notes)
        is distinct from (new.status, new.assigned_to, new.resolution_notes)
    )
    execute function helpline.show_ticket();
create trigger guard_ticket before insert or update on public.forwarded_tickets
    for each row execute function helpline.guard_ticket();
create trigger follow_ticket_updated after update of status, assigned_to on public.forwarded_tickets
    for each row
    when ((old.status, old.assigned_to) is distinct from (new.status, new.assigned_to))
    execute function helpline.follow_ticket();
-- Opened and removed by somebody on duty; the owner of the schema, who restores and moves tickets, is left alone.
create trigger follow_ticket_inserted after insert on public.forwarded_tickets
    for each row
    when (
        new.status <> 'resolved'
        and coalesce(nullif(current_setting('role', true), 'none'), session_user)
            in ('helpline_worker', 'service_role')
    )
    execute function helpline.follow_ticket();
create trigger follow_ticket_deleted after delete on public.forwarded_tickets
    for each row
    when (
        old.status <> 'resolved'
        and coalesce(nullif(current_setting('role', true), 'none'), session_user)
            in ('helpline_worker', 'service_role')
    )
    execute function helpline.follow_ticket();

-- Dashboards resolved tickets before there was a trigger: the bot stayed silent in those conversations.
update public.conversations c
set status = 'completed', completed_at = now()
where c.status = 'forwarded'
    and exists (
        select from public.forwarded_tickets t
        where t.server_id = c.server_id and t.conversation_id = c.id
    )
    and not exists (
        select from public.forwarded_tickets t
        where t.server_id = c.server_id and t.conversation_id = c.id and t.status <> 'resolved'
    );

revoke all on all functions in schema helpline from public, anon, authenticated, service_role;
