-- Two tables like the default partition: one for the server alone, one for everybody else. The checks are true of
-- empty tables at once and spare the swap a scan: they read like the constraints of the partitions to be.
do $stage$
declare
    staged regclass;
    grantee record;
    promoted text;
begin
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    create table helpline.conversations_s{server} (like helpline.conversations_default including all);
    alter table helpline.conversations_s{server} add constraint promoting
        check (server_id is not null and server_id = '{server}'::bigint);

    create table helpline.conversations_default_next (like helpline.conversations_default including all);
    -- In the order of the ids, as Postgres writes it.
    select string_agg(bound.id::text, ', ' order by bound.id) into promoted
    from (
        select substring(pg_catalog.pg_get_expr(c.relpartbound, c.oid) from '^FOR VALUES IN \(''(\d+)''\)$')::bigint
        from pg_catalog.pg_inherits i
        join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.conversations'::regclass
            and pg_catalog.pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
        union all
        select {server}
    ) as bound (id);
    execute format(
        'alter table helpline.conversations_default_next add constraint promoting
         check (not (server_id is not null and server_id %s))',
        case
            when promoted like '%,%' then format('= any (array[%s]::bigint[])', promoted)
            else format('= %L::bigint', promoted)
        end
    );

    foreach staged in array array[
        'helpline.conversations_s{server}'::regclass, 'helpline.conversations_default_next'::regclass
    ] loop
        -- No autovacuum may hold these tables at the moment of the swap; they are vacuumed before it.
        -- The rest is as migration 16 has it for the default partition.
        execute format(
            'alter table %s set (autovacuum_enabled = false, fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05)', staged
        );
        execute format('alter table %s enable row level security', staged);
        -- Whatever default privileges gave to whomever.
        for grantee in
            select distinct case when a.grantee = 0 then 'public' else format('%I', r.rolname) end as name
            from pg_catalog.pg_class c
            cross join lateral pg_catalog.aclexplode(c.relacl) a
            left join pg_catalog.pg_roles r on r.oid = a.grantee
            where c.oid = staged and a.grantee <> c.relowner
        loop
            execute format('revoke all on table %s from %s', staged, grantee.name);
        end loop;
    end loop;
end
$stage$
