-- The tables that dashboards, billing and the bot share. docs/schema.md tells what each is for.
-- Every name is qualified: a migrating user called like a schema has that schema first in its search path.

-- Internal tables, partitions and every security definer function live here; no API exposes it.
create schema if not exists helpline;

-- Supabase brings auth.users and auth.uid(); a plain Postgres gets stand-ins with the same meaning.
do $$
begin
    if to_regnamespace('auth') is null then
        create schema auth;
    end if;
    if to_regclass('auth.users') is null then
        create table auth.users (
            id uuid primary key default gen_random_uuid(),
            email text,
            created_at timestamptz not null default now()
        );
        alter table auth.users enable row level security;
    end if;
    if to_regprocedure('auth.uid()') is null then
        -- Who is signed in, as PostgREST passes it on: one JSON setting, or in older releases one setting
        -- per claim. Missing and empty both mean nobody.
        create function auth.uid() returns uuid
        language sql stable
        set search_path = ''
        as $body$
            select coalesce(
                nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', ''),
                nullif(current_setting('request.jwt.claim.sub', true), '')
            )::uuid
        $body$;
    end if;
end
$$;

create function public.set_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    new.updated_at = now();
    return new;
end
$$;

create table public.users (
    id uuid primary key references auth.users (id),
    discord_id text not null unique,
    discord_username text not null,
    avatar_url text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table public.billing_plans (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    description text,
    price decimal(10, 2) not null,
    currency text not null default 'USD',
    interval text not null check (interval in ('monthly', 'yearly')),
    features jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Of all servers, so that a server that is removed and added again never goes back to a lower version.
create sequence helpline.config_version_seq as bigint;

-- id is Discord's server id. active: the bot is in the server; config.enabled: its admins switched support on.
-- config_version rises with every change of config, active or plan_id; caches keep the highest they saw.
create table public.servers (
    id bigint primary key,
    name text not null,
    icon_url text,
    config jsonb not null default '{
        "enabled": false,
        "language": "en",
        "system_prompt": "You are a helpful AI assistant for this Discord server.",
        "channels": [],
        "support_role_id": null,
        "max_messages_per_user": 10,
        "max_text_length": 2000
    }',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    active boolean not null default true,
    plan_id uuid references public.billing_plans (id),
    config_version bigint not null default 0
);

create table public.server_admins (
    server_id bigint references public.servers (id) on delete cascade,
    user_id uuid references public.users (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (server_id, user_id)
);
-- Every policy asks for the servers of one user.
create index server_admins_user_id_idx on public.server_admins (user_id);

-- Admins known by their Discord id alone: public.users needs a sign-in, which they have not had yet.
create table helpline.pending_admins (
    server_id bigint not null references public.servers (id) on delete cascade,
    discord_id text not null,
    created_at timestamptz not null default now(),
    primary key (server_id, discord_id)
);
create index pending_admins_discord_id_idx on helpline.pending_admins (discord_id);

create table public.knowledge_documents (
    id uuid primary key default gen_random_uuid(),
    server_id bigint not null references public.servers (id) on delete cascade,
    title text not null,
    content text not null,
    content_vector tsvector generated always as (to_tsvector('english', content)) stored,
    file_type text not null check (file_type in ('txt', 'md', 'pdf')),
    storage_path text,
    created_by uuid references public.users (id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index knowledge_documents_content_vector_idx on public.knowledge_documents using gin (content_vector);
create index knowledge_documents_server_id_idx on public.knowledge_documents (server_id);

-- channel_id, thread_id and user_id are Discord's ids. The primary key holds the partition key, as it must.
create table public.conversations (
    id uuid not null default gen_random_uuid(),
    server_id bigint not null references public.servers (id) on delete cascade,
    channel_id text not null,
    thread_id text,
    user_id text not null,
    username text not null,
    transcript jsonb not null,
    status text not null check (status in ('active', 'completed', 'forwarded')) default 'active',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    completed_at timestamptz,
    primary key (server_id, id)
) partition by list (server_id);
create index conversations_server_id_idx on public.conversations (server_id);
create index conversations_status_idx on public.conversations (status);
create index conversations_created_at_idx on public.conversations (created_at);
-- A thread is one conversation.
create unique index conversations_thread_id_key on public.conversations (server_id, thread_id)
    where thread_id is not null;

-- Where every server's conversations go until it has a partition of its own. Partitions are kept out of
-- public, because the row policies of the parent do not guard a partition that is read directly.
create table helpline.conversations_default partition of public.conversations default;

create table public.forwarded_tickets (
    id uuid primary key default gen_random_uuid(),
    conversation_id uuid not null,
    server_id bigint not null references public.servers (id) on delete cascade,
    assigned_to text,
    forwarded_at timestamptz not null default now(),
    status text not null check (status in ('pending', 'assigned', 'resolved')) default 'pending',
    resolved_at timestamptz,
    resolution_notes text,
    -- Discord's id of the message with its buttons, once that was posted.
    message_id text,
    foreign key (server_id, conversation_id) references public.conversations (server_id, id) on delete cascade
);
create index forwarded_tickets_conversation_id_idx on public.forwarded_tickets (conversation_id);
create index forwarded_tickets_server_id_idx on public.forwarded_tickets (server_id);
create index forwarded_tickets_status_idx on public.forwarded_tickets (status);
-- What staff have to do, oldest first.
create index forwarded_tickets_open_idx on public.forwarded_tickets (server_id, forwarded_at)
    where status <> 'resolved';

-- server_count is kept by a trigger on server_shards.
create table public.shards (
    id integer primary key,
    status text not null check (status in ('online', 'offline', 'starting', 'stopping')) default 'offline',
    server_count integer not null default 0,
    last_heartbeat timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table public.server_shards (
    server_id bigint primary key references public.servers (id) on delete cascade,
    shard_id integer not null references public.shards (id) on delete cascade,
    assigned_at timestamptz not null default now()
);
create index server_shards_shard_id_idx on public.server_shards (shard_id);

create table public.subscriptions (
    id uuid primary key default gen_random_uuid(),
    server_id bigint not null references public.servers (id) on delete cascade,
    plan_id uuid not null references public.billing_plans (id),
    status text not null check (status in ('active', 'canceled', 'past_due', 'trialing')),
    current_period_start timestamptz not null,
    current_period_end timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    canceled_at timestamptz,
    unique (server_id)
);
create index subscriptions_status_idx on public.subscriptions (status);

create table public.invoices (
    id uuid primary key default gen_random_uuid(),
    subscription_id uuid not null references public.subscriptions (id) on delete cascade,
    server_id bigint not null references public.servers (id) on delete cascade,
    amount decimal(10, 2) not null,
    currency text not null default 'USD',
    status text not null check (status in ('draft', 'open', 'paid', 'uncollectible', 'void')),
    invoice_date timestamptz not null,
    due_date timestamptz not null,
    paid_at timestamptz,
    payment_processor_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index invoices_subscription_id_idx on public.invoices (subscription_id);
create index invoices_server_id_idx on public.invoices (server_id);
create index invoices_status_idx on public.invoices (status);

create table public.analytics (
    id uuid primary key default gen_random_uuid(),
    server_id bigint not null references public.servers (id) on delete cascade,
    date date not null,
    total_queries integer not null default 0,
    resolved_queries integer not null default 0,
    forwarded_tickets integer not null default 0,
    average_response_time decimal(10, 2),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (server_id, date)
);
create index analytics_server_id_idx on public.analytics (server_id);
create index analytics_date_idx on public.analytics (date);

create trigger set_users_updated_at before update on public.users
    for each row execute function public.set_updated_at();
create trigger set_servers_updated_at before update on public.servers
    for each row execute function public.set_updated_at();
create trigger set_knowledge_documents_updated_at before update on public.knowledge_documents
    for each row execute function public.set_updated_at();
create trigger set_conversations_updated_at before update on public.conversations
    for each row execute function public.set_updated_at();
create trigger set_shards_updated_at before update on public.shards
    for each row execute function public.set_updated_at();
create trigger set_billing_plans_updated_at before update on public.billing_plans
    for each row execute function public.set_updated_at();
create trigger set_subscriptions_updated_at before update on public.subscriptions
    for each row execute function public.set_updated_at();
create trigger set_invoices_updated_at before update on public.invoices
    for each row execute function public.set_updated_at();
create trigger set_analytics_updated_at before update on public.analytics
    for each row execute function public.set_updated_at();

-- Closed from the start: default privileges may have opened all this to anon, and what may be seen by whom is
-- said only in a later migration, which might have to wait for somebody who may create roles.
alter table public.users enable row level security;
alter table public.billing_plans enable row level security;
alter table public.servers enable row level security;
alter table public.server_admins enable row level security;
alter table helpline.pending_admins enable row level security;
alter table public.knowledge_documents enable row level security;
alter table public.conversations enable row level security;
alter table helpline.conversations_default enable row level security;
alter table public.forwarded_tickets enable row level security;
alter table public.shards enable row level security;
alter table public.server_shards enable row level security;
alter table public.subscriptions enable row level security;
alter table public.invoices enable row level security;
alter table public.analytics enable row level security;
alter table if exists public._sqlx_migrations enable row level security;
