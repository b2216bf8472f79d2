-- Direct messages: which server a member's go to, and what waits until that is known. docs/adr/0035.

-- The server that a member's direct messages go to. Written by the owner of shard 0, to which Discord's events without a
-- server go. checked_at: when it was last seen that the member is in that server.
create table helpline.dm_routes (
    user_id bigint primary key,
    server_id bigint not null references public.servers (id) on delete cascade,
    channel_id bigint not null,
    chosen_at timestamptz not null default now(),
    checked_at timestamptz not null default now()
);
create index dm_routes_server_id_idx on helpline.dm_routes (server_id);
create index dm_routes_channel_id_idx on helpline.dm_routes (channel_id);
create index dm_routes_checked_at_idx on helpline.dm_routes (checked_at);

-- Where a member has used the bot: Discord does not say which servers somebody shares with it.
create table helpline.dm_members (
    user_id bigint not null,
    server_id bigint not null references public.servers (id) on delete cascade,
    seen_at timestamptz not null default now(),
    primary key (user_id, server_id)
);
create index dm_members_server_id_idx on helpline.dm_members (server_id);
create index dm_members_seen_at_idx on helpline.dm_members (seen_at);

-- Events of members whose server is not known yet, in the order in which Discord sent them.
create table helpline.dm_waiting (
    user_id bigint not null,
    id bigint generated always as identity,
    channel_id bigint not null,
    origin text not null,
    kind text not null,
    received_at_ms bigint not null,
    payload bytea not null,
    waits_since timestamptz not null default now(),
    primary key (user_id, id),
    unique (user_id, origin)
);
create index dm_waiting_channel_id_idx on helpline.dm_waiting (channel_id);
create index dm_waiting_waits_since_idx on helpline.dm_waiting (waits_since);

-- Members whose server is to be found out (due), who were asked, told that there is none, or have it.
create table helpline.dm_desk (
    user_id bigint primary key,
    channel_id bigint not null,
    -- the message or interaction because of which it is found out
    event_id bigint not null,
    lang text not null,
    state text not null check (state in ('due', 'asked', 'told', 'chosen')),
    -- the interaction that is answered with the list, if it was asked for
    reply_to jsonb,
    -- what was offered last: nothing else can be chosen
    offered bigint[] not null default '{}',
    at timestamptz not null default now()
);
create index dm_desk_due_idx on helpline.dm_desk (at) where state = 'due';
create index dm_desk_at_idx on helpline.dm_desk (at);

-- Effects that belong to no server. As helpline.outbox; a row goes when it is carried out.
create table helpline.dm_outbox (
    id bigint generated always as identity primary key,
    user_id bigint not null,
    event_id text not null,
    effect text not null,
    request jsonb not null,
    created_at timestamptz not null default now(),
    attempted_at timestamptz,
    unique (event_id, effect)
);

-- Conversations that are held in direct messages: buttons name the conversation alone. staff_thread: where the staff of
-- the server read and write.
create table helpline.dm_conversations (
    conversation_id uuid primary key,
    server_id bigint not null references public.servers (id) on delete cascade,
    user_id bigint not null,
    staff_thread text,
    unique (server_id, conversation_id),
    foreign key (server_id, conversation_id) references public.conversations (server_id, id) on delete cascade
);
create unique index dm_conversations_staff_thread_idx on helpline.dm_conversations (server_id, staff_thread);

create trigger refuse_to_move before update of server_id on helpline.dm_conversations
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();

alter table helpline.dm_routes enable row level security;
alter table helpline.dm_members enable row level security;
alter table helpline.dm_waiting enable row level security;
alter table helpline.dm_desk enable row level security;
alter table helpline.dm_outbox enable row level security;
alter table helpline.dm_conversations enable row level security;
revoke all on table helpline.dm_routes, helpline.dm_members, helpline.dm_waiting, helpline.dm_desk, helpline.dm_outbox,
    helpline.dm_conversations
from public, anon, authenticated, service_role;
revoke all on sequence helpline.dm_waiting_id_seq, helpline.dm_outbox_id_seq
from public, anon, authenticated, service_role;
grant select, insert, update, delete
on table helpline.dm_routes, helpline.dm_members, helpline.dm_waiting, helpline.dm_desk, helpline.dm_outbox,
    helpline.dm_conversations
to helpline_worker;
create policy dm_routes_worker on helpline.dm_routes for all to helpline_worker using (true) with check (true);
create policy dm_members_worker on helpline.dm_members for all to helpline_worker using (true) with check (true);
create policy dm_waiting_worker on helpline.dm_waiting for all to helpline_worker using (true) with check (true);
create policy dm_desk_worker on helpline.dm_desk for all to helpline_worker using (true) with check (true);
create policy dm_outbox_worker on helpline.dm_outbox for all to helpline_worker using (true) with check (true);
create policy dm_conversations_worker on helpline.dm_conversations
    for all to helpline_worker using (true) with check (true);

-- A server that is forgotten is nobody's choice any more.
create function helpline.forget_routes() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from helpline.dm_routes where server_id = new.id;
    delete from helpline.dm_members where server_id = new.id;
    return null;
end
$$;
create trigger forget_routes after update of left_at on public.servers
    for each row when (old.left_at is not null and new.left_at is null and not new.active)
    execute function helpline.forget_routes();
revoke all on function helpline.forget_routes() from public, anon, authenticated, service_role;
