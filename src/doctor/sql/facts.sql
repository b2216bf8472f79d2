-- What Postgres says of itself and of our schema, whoever asks; nothing of it needs a table of ours to be there.
with ours as (
    select c.oid, n.nspname || '.' || c.relname as name, c.relkind, c.relrowsecurity
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p')
        and (
            n.nspname = 'helpline'
            or n.nspname = 'public' and c.relname in (
                'users', 'servers', 'server_admins', 'knowledge_documents', 'conversations', 'forwarded_tickets', 'shards',
                'server_shards', 'billing_plans', 'subscriptions', 'invoices', 'analytics', '_sqlx_migrations'
            )
        )
)
select jsonb_build_object(
    'version_num', current_setting('server_version_num')::integer,
    'version', current_setting('server_version'),
    'user', current_user,
    'is_replica', pg_is_in_recovery(),
    'encoding', current_setting('server_encoding'),
    'fsync', current_setting('fsync'),
    'full_page_writes', current_setting('full_page_writes'),
    'synchronous_commit', current_setting('synchronous_commit'),
    'autovacuum', current_setting('autovacuum'),
    'max_connections', current_setting('max_connections')::integer,
    'connections', (select count(*) from pg_stat_activity a where a.backend_type = 'client backend'),
    'age_of_transactions', (select age(d.datfrozenxid) from pg_database d where d.datname = current_database()),
    'extensions', (select jsonb_agg(e.extname order by e.extname) from pg_extension e),
    'roles', (
        select jsonb_agg(jsonb_build_object(
            'name', w.name,
            'exists', r.oid is not null,
            'may_login', coalesce(r.rolcanlogin, false),
            'sees_all_rows', coalesce(r.rolsuper or r.rolbypassrls, false),
            'plans_anew', exists (
                select from pg_db_role_setting s
                where s.setrole = r.oid and 'plan_cache_mode=force_custom_plan' = any (s.setconfig)
            )
        ) order by w.name)
        from (values ('helpline_worker'), ('helpline_proxy'), ('helpline_web')) as w (name)
        left join pg_roles r on r.rolname = w.name
    ),
    'schema_open_to', (
        select coalesce(jsonb_agg(r.rolname), '[]')
        from pg_roles r
        join pg_namespace n on n.nspname = 'helpline'
        where r.rolname in ('anon', 'authenticated', 'service_role') and has_schema_privilege(r.oid, n.oid, 'usage')
    ),
    'tables', (select count(*) from ours),
    'tables_without_row_security', (select coalesce(jsonb_agg(o.name), '[]') from ours o where not o.relrowsecurity),
    'invalid_indexes', (
        select coalesce(jsonb_agg(i.indexrelid::regclass::text), '[]')
        from pg_index i
        join ours o on o.oid = i.indrelid
        where not i.indisvalid
    ),
    'triggers_off', (
        select coalesce(jsonb_agg(o.name || '.' || t.tgname), '[]')
        from pg_trigger t
        join ours o on o.oid = t.tgrelid
        where not t.tgisinternal and t.tgenabled not in ('O', 'A')
    ),
    'notify_triggers', (
        select count(*) from pg_trigger t
        where t.tgrelid = to_regclass('public.servers')
            and t.tgname in ('notify_server_config_changed', 'notify_server_added', 'notify_server_removed')
    ),
    'swollen', (
        select coalesce(jsonb_agg(o.name), '[]')
        from ours o
        join pg_stat_all_tables s on s.relid = o.oid
        where s.n_dead_tup > 100000 and s.n_dead_tup > 2 * s.n_live_tup
    ),
    'clock_us', (extract(epoch from clock_timestamp()) * 1000000)::bigint
) as "facts!: Json<Facts>"
