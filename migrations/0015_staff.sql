-- What staff and admins work with: conversations that fell silent, replies kept ready, statistics that count each event once.

-- A conversation in which the bot or staff spoke last waits for its asker. Written with the conversation, from the config that
-- was in force then; the owner looks again at look_at. No reference to conversations, whose rows move between partitions.
create table helpline.silences (
    server_id bigint not null references public.servers (id) on delete cascade,
    conversation_id uuid not null,
    -- When the bot or staff spoke last.
    since timestamptz not null,
    look_at timestamptz not null,
    warned_at timestamptz,
    primary key (server_id, conversation_id)
);
create index silences_look_at_idx on helpline.silences (look_at);

-- Texts that staff post in the bot's name.
create table helpline.canned_replies (
    server_id bigint not null references public.servers (id) on delete cascade,
    name text not null check (char_length(name) between 1 and 50),
    content text not null check (char_length(content) between 1 and 1800),
    created_by bigint not null,
    created_at timestamptz not null default now(),
    primary key (server_id, name)
);

-- What the bot would answer in the conversation of a ticket, for staff to send; the newest of each ticket, gone once it is sent.
create table helpline.suggestions (
    server_id bigint not null references public.servers (id) on delete cascade,
    ticket_id uuid not null,
    -- Stands in the button that sends it.
    id uuid not null,
    content text not null check (char_length(content) between 1 and 2000),
    primary key (server_id, ticket_id)
);

-- A question that counts as resolved, and on which day it was counted: what public.analytics says is the sum of these rows.
create table helpline.resolutions (
    server_id bigint not null references public.servers (id) on delete cascade,
    question_id bigint not null,
    day date not null,
    -- Nobody said so: the asker fell silent.
    assumed boolean not null,
    primary key (server_id, question_id)
);

-- resolved_queries counts all that are resolved, assumed_resolutions those of them that nobody confirmed.
-- average_response_time, in seconds, is response_ms over responses.
alter table public.analytics
    add column assumed_resolutions integer not null default 0,
    add column responses integer not null default 0,
    add column response_ms bigint not null default 0;

-- Dashboards resolve and reopen tickets without a worker; this counts what they do, once, because it is done in the
-- transaction that does it. The owner of a shard counts by itself, at the end of its transactions, so that nobody who holds a
-- row of analytics waits for a conversation. Security definer, because dashboards may not write statistics.
create function helpline.count_ticket() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    today date := (now() at time zone 'utc')::date;
    question bigint;
    counted date;
    was_assumed boolean;
begin
    if tg_op = 'INSERT' then
        insert into public.analytics as known (server_id, date, forwarded_tickets)
        values (new.server_id, today, 1)
        on conflict (server_id, date) do update set forwarded_tickets = known.forwarded_tickets + 1;
        return null;
    end if;
    select substring(
        jsonb_path_query_array(
            c.transcript, '$[*] ? (@.role == "member" && (@.asked == true || !exists(@.asked))).event_id'
        ) ->> -1
        from '^[0-8]?[0-9]{1,18}$'
    )::bigint
    into question
    from public.conversations c
    where c.server_id = new.server_id and c.id = new.conversation_id;
    if question is null then
        return null;
    end if;
    if new.status = 'resolved' and new.assigned_to is not null and old.status <> 'resolved' then
        insert into helpline.resolutions (server_id, question_id, day, assumed)
        values (new.server_id, question, today, false)
        on conflict (server_id, question_id) do nothing;
        if found then
            insert into public.analytics as known (server_id, date, resolved_queries)
            values (new.server_id, today, 1)
            on conflict (server_id, date) do update set resolved_queries = known.resolved_queries + 1;
        end if;
    elsif old.status = 'resolved' and new.status <> 'resolved' then
        delete from helpline.resolutions r
        where r.server_id = new.server_id and r.question_id = question
        returning r.day, r.assumed into counted, was_assumed;
        if found then
            update public.analytics a
            set resolved_queries = greatest(a.resolved_queries - 1, 0),
                assumed_resolutions = greatest(a.assumed_resolutions - was_assumed::integer, 0)
            where a.server_id = new.server_id and a.date = counted;
        end if;
    end if;
    return null;
end
$$;

-- Named to come after follow_ticket, which locks the conversation.
create trigger later_count_ticket_updated after update of status on public.forwarded_tickets
    for each row
    when (
        old.status <> new.status
        and coalesce(nullif(current_setting('role', true), 'none'), session_user)
            in ('authenticated', 'service_role')
    )
    execute function helpline.count_ticket();
create trigger later_count_ticket_inserted after insert on public.forwarded_tickets
    for each row
    when (
        new.status <> 'resolved'
        and coalesce(nullif(current_setting('role', true), 'none'), session_user) = 'service_role'
    )
    execute function helpline.count_ticket();

alter table helpline.silences enable row level security;
alter table helpline.canned_replies enable row level security;
alter table helpline.resolutions enable row level security;
alter table helpline.suggestions enable row level security;

-- Some hosts grant everything new to everybody.
revoke all on table helpline.silences, helpline.canned_replies, helpline.resolutions, helpline.suggestions
from public, anon, authenticated, service_role;
revoke all on function helpline.count_ticket() from public, anon, authenticated, service_role;

-- A row keeps its server.
create trigger refuse_to_move before update of server_id on helpline.silences
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.canned_replies
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.suggestions
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.resolutions
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();

grant select, insert, update, delete on table
    helpline.silences, helpline.canned_replies, helpline.resolutions, helpline.suggestions
to helpline_worker;
grant select, insert, update on table public.analytics to helpline_worker;
create policy silences_worker on helpline.silences for all to helpline_worker using (true) with check (true);
create policy canned_replies_worker on helpline.canned_replies
    for all to helpline_worker using (true) with check (true);
create policy resolutions_worker on helpline.resolutions for all to helpline_worker using (true) with check (true);
create policy suggestions_worker on helpline.suggestions for all to helpline_worker using (true) with check (true);
create policy analytics_worker on public.analytics for all to helpline_worker using (true) with check (true);
