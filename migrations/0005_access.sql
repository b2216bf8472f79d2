-- Who may do what. Deny by default: row level security is on everywhere, whatever default privileges gave to
-- anon and authenticated is taken back, and each grant and policy below opens one thing for one role.
-- docs/schema.md has the same as a table.

-- Take back what default privileges gave -------------------------------------------------------------------

revoke all on table
    public.users, public.servers, public.server_admins, public.knowledge_documents, public.conversations,
    public.forwarded_tickets, public.shards, public.server_shards, public.billing_plans,
    public.subscriptions, public.invoices, public.analytics
from public, anon, authenticated;

revoke all on schema helpline from public, anon, authenticated;
revoke all on all tables in schema helpline from public, anon, authenticated, service_role;
revoke all on all sequences in schema helpline from public, anon, authenticated, service_role;
revoke all on all functions in schema helpline from public, anon, authenticated, service_role;
revoke all on function public.set_updated_at(), public.notify_server_config_changed()
from public, anon, authenticated;

-- Row level security was switched on with the tables of migration 1; these came after it ----------------------

alter table helpline.workers enable row level security;
alter table helpline.shard_fences enable row level security;
alter table helpline.shard_streams enable row level security;
alter table helpline.shard_assignments enable row level security;
alter table helpline.event_keys enable row level security;
alter table helpline.answer_jobs enable row level security;
alter table helpline.asked enable row level security;
alter table helpline.model_spent enable row level security;
alter table helpline.feedback enable row level security;
alter table helpline.outbox enable row level security;
alter table helpline.dead_letters enable row level security;
alter table helpline.knowledge_passages enable row level security;
alter table helpline.knowledge_versions enable row level security;
alter table helpline.knowledge_indexed enable row level security;

-- What we made ourselves of auth needs opening; Supabase's own is open already.
do $$
begin
    if (
        select r.rolname = current_user from pg_namespace n join pg_roles r on r.oid = n.nspowner
        where n.nspname = 'auth'
    ) then
        grant usage on schema auth to anon, authenticated, service_role;
        revoke all on table auth.users from public, anon, authenticated;
    end if;
end
$$;

-- People who are signed in: admins see and change their own servers ----------------------------------------

grant select on table
    public.users, public.servers, public.server_admins, public.knowledge_documents, public.conversations,
    public.forwarded_tickets, public.billing_plans, public.subscriptions, public.invoices, public.analytics
to authenticated;

create policy user_select_policy on public.users
    for select to authenticated using (id = (select auth.uid()));

-- Looks at nothing but its own row: a policy that asked server_admins again would recurse.
create policy server_admin_select_policy on public.server_admins
    for select to authenticated using (user_id = (select auth.uid()));

-- plan_id and active are the service's: no column grant, no update.
grant update (config, name) on table public.servers to authenticated;
create policy server_select_policy on public.servers
    for select to authenticated
    using (id in (select server_id from public.server_admins where user_id = (select auth.uid())));
create policy server_update_policy on public.servers
    for update to authenticated
    using (id in (select server_id from public.server_admins where user_id = (select auth.uid())))
    with check (id in (select server_id from public.server_admins where user_id = (select auth.uid())));

-- A document stays with its server: what was derived from it carries the server's id too.
grant insert (id, server_id, title, content, file_type, storage_path, created_by)
    on table public.knowledge_documents to authenticated;
grant update (title, content, file_type, storage_path) on table public.knowledge_documents to authenticated;
grant delete on table public.knowledge_documents to authenticated;
create policy knowledge_document_select_policy on public.knowledge_documents
    for select to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));
create policy knowledge_document_insert_policy on public.knowledge_documents
    for insert to authenticated
    with check (
        server_id in (select server_id from public.server_admins where user_id = (select auth.uid()))
        and (created_by is null or created_by = (select auth.uid()))
    );
create policy knowledge_document_update_policy on public.knowledge_documents
    for update to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())))
    with check (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));
create policy knowledge_document_delete_policy on public.knowledge_documents
    for delete to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));

create policy conversation_select_policy on public.conversations
    for select to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));

grant update (assigned_to, status, resolved_at, resolution_notes)
    on table public.forwarded_tickets to authenticated;
create policy forwarded_ticket_select_policy on public.forwarded_tickets
    for select to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));
create policy forwarded_ticket_update_policy on public.forwarded_tickets
    for update to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())))
    with check (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));

create policy billing_plan_select_policy on public.billing_plans
    for select to authenticated using (true);

create policy subscription_select_policy on public.subscriptions
    for select to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));
create policy invoice_select_policy on public.invoices
    for select to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));
create policy analytics_select_policy on public.analytics
    for select to authenticated
    using (server_id in (select server_id from public.server_admins where user_id = (select auth.uid())));

-- service_role: a dashboard's own backend. On Supabase it bypasses row security; elsewhere it cannot, because
-- only a superuser may create such a role, so it has policies.
grant select, insert, update, delete on table
    public.users, public.servers, public.server_admins, public.knowledge_documents, public.conversations,
    public.forwarded_tickets, public.shards, public.server_shards, public.billing_plans,
    public.subscriptions, public.invoices, public.analytics
to service_role;
create policy users_service_role on public.users
    for all to service_role using (true) with check (true);
create policy servers_service_role on public.servers
    for all to service_role using (true) with check (true);
create policy server_admins_service_role on public.server_admins
    for all to service_role using (true) with check (true);
create policy knowledge_documents_service_role on public.knowledge_documents
    for all to service_role using (true) with check (true);
create policy conversations_service_role on public.conversations
    for all to service_role using (true) with check (true);
create policy forwarded_tickets_service_role on public.forwarded_tickets
    for all to service_role using (true) with check (true);
create policy shards_service_role on public.shards
    for all to service_role using (true) with check (true);
create policy server_shards_service_role on public.server_shards
    for all to service_role using (true) with check (true);
create policy billing_plans_service_role on public.billing_plans
    for all to service_role using (true) with check (true);
create policy subscriptions_service_role on public.subscriptions
    for all to service_role using (true) with check (true);
create policy invoices_service_role on public.invoices
    for all to service_role using (true) with check (true);
create policy analytics_service_role on public.analytics
    for all to service_role using (true) with check (true);

-- The three service users -----------------------------------------------------------------------------------

grant usage on schema helpline to helpline_worker, helpline_proxy, helpline_web;

-- Each role looks at the version of the schema when it starts.
do $$
begin
    if to_regclass('public._sqlx_migrations') is not null then
        revoke all on table public._sqlx_migrations from public, anon, authenticated, service_role;
        grant select (version, success) on table public._sqlx_migrations
            to helpline_worker, helpline_proxy, helpline_web;
        create policy migrations_services on public._sqlx_migrations
            for select to helpline_worker, helpline_proxy, helpline_web using (true);
    end if;
end
$$;

-- helpline_worker answers. Locking a row for share needs an update privilege and an update policy on it: the
-- fence and the server's shard are locked in every transaction of an owner.
grant select on table public.servers to helpline_worker;
grant update (name, icon_url, config, active) on table public.servers to helpline_worker;
create policy servers_worker_select on public.servers for select to helpline_worker using (true);
create policy servers_worker_update on public.servers
    for update to helpline_worker using (true) with check (true);

grant select, insert, update, delete on table public.knowledge_documents to helpline_worker;
create policy knowledge_documents_worker on public.knowledge_documents
    for all to helpline_worker using (true) with check (true);

grant select, insert, update on table public.conversations, public.forwarded_tickets to helpline_worker;
create policy conversations_worker on public.conversations
    for all to helpline_worker using (true) with check (true);
create policy forwarded_tickets_worker on public.forwarded_tickets
    for all to helpline_worker using (true) with check (true);

grant select on table public.shards, public.server_shards to helpline_worker;
grant update (status, last_heartbeat) on table public.shards to helpline_worker;
grant update (shard_id, assigned_at) on table public.server_shards to helpline_worker;
create policy shards_worker on public.shards for all to helpline_worker using (true) with check (true);
create policy server_shards_worker on public.server_shards
    for all to helpline_worker using (true) with check (true);

grant select on table public.billing_plans to helpline_worker;
create policy billing_plans_worker on public.billing_plans for select to helpline_worker using (true);

-- Discord tells the worker who may manage a server: it adds and removes that server's admins.
grant select (id, discord_id) on table public.users to helpline_worker;
grant select, insert, delete on table public.server_admins, helpline.pending_admins to helpline_worker;
create policy users_worker on public.users for select to helpline_worker using (true);
create policy server_admins_worker on public.server_admins
    for all to helpline_worker using (true) with check (true);
create policy pending_admins_worker on helpline.pending_admins
    for all to helpline_worker using (true) with check (true);

-- insert: the leader adds the rows of a shard that an operator added.
grant select, insert, update on table helpline.shard_fences, helpline.shard_streams to helpline_worker;
grant select on table helpline.knowledge_versions to helpline_worker;
grant select, insert, update, delete on table
    helpline.workers, helpline.shard_assignments, helpline.event_keys, helpline.answer_jobs, helpline.outbox,
    helpline.dead_letters, helpline.knowledge_passages, helpline.knowledge_indexed
to helpline_worker;
grant select, insert, delete on table helpline.asked to helpline_worker;
grant select, insert, update on table helpline.feedback, helpline.model_spent to helpline_worker;
create policy model_spent_worker on helpline.model_spent for all to helpline_worker using (true) with check (true);
create policy feedback_worker on helpline.feedback for all to helpline_worker using (true) with check (true);
create policy asked_worker on helpline.asked for all to helpline_worker using (true) with check (true);
create policy shard_fences_worker on helpline.shard_fences
    for all to helpline_worker using (true) with check (true);
create policy shard_streams_worker on helpline.shard_streams
    for all to helpline_worker using (true) with check (true);
create policy knowledge_versions_worker on helpline.knowledge_versions
    for select to helpline_worker using (true);
create policy workers_worker on helpline.workers
    for all to helpline_worker using (true) with check (true);
create policy shard_assignments_worker on helpline.shard_assignments
    for all to helpline_worker using (true) with check (true);
create policy event_keys_worker on helpline.event_keys
    for all to helpline_worker using (true) with check (true);
create policy answer_jobs_worker on helpline.answer_jobs
    for all to helpline_worker using (true) with check (true);
create policy outbox_worker on helpline.outbox
    for all to helpline_worker using (true) with check (true);
create policy dead_letters_worker on helpline.dead_letters
    for all to helpline_worker using (true) with check (true);
create policy knowledge_passages_worker on helpline.knowledge_passages
    for all to helpline_worker using (true) with check (true);
create policy knowledge_indexed_worker on helpline.knowledge_indexed
    for all to helpline_worker using (true) with check (true);

-- helpline_proxy routes: it reads where servers live and adds those it sees for the first time.
grant select (id, active, config, config_version, updated_at), insert (id, name)
    on table public.servers to helpline_proxy;
grant select, insert (server_id, shard_id) on table public.server_shards to helpline_proxy;
grant select (id) on table public.shards to helpline_proxy;
grant execute on function helpline.add_servers(bigint[]) to helpline_proxy;
create policy servers_proxy_select on public.servers for select to helpline_proxy using (true);
create policy servers_proxy_insert on public.servers for insert to helpline_proxy with check (true);
create policy server_shards_proxy_select on public.server_shards for select to helpline_proxy using (true);
create policy server_shards_proxy_insert on public.server_shards for insert to helpline_proxy with check (true);
create policy shards_proxy_select on public.shards for select to helpline_proxy using (true);

-- helpline_web takes payments: it keeps subscriptions and invoices and puts a server on its plan.
grant select (id, name, active, plan_id), update (plan_id) on table public.servers to helpline_web;
grant select on table public.billing_plans to helpline_web;
grant select, insert, update on table public.subscriptions, public.invoices to helpline_web;
create policy servers_web_select on public.servers for select to helpline_web using (true);
create policy servers_web_update on public.servers
    for update to helpline_web using (true) with check (true);
create policy billing_plans_web on public.billing_plans for select to helpline_web using (true);
create policy subscriptions_web on public.subscriptions
    for all to helpline_web using (true) with check (true);
create policy invoices_web on public.invoices for all to helpline_web using (true) with check (true);
