-- Roles belong to the whole cluster of databases, advisory locks to one database: another database may be
-- migrated at this moment. So whatever is there already is left alone, and what collides is tried again.
-- They come in a migration of their own, because a second migrator waits for its commit.

-- anon, authenticated and service_role are Supabase's; where they exist they are reserved and stay untouched.
do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
            ('anon', 'nologin noinherit'),
            ('authenticated', 'nologin noinherit'),
            ('service_role', 'nologin noinherit'),
            ('helpline_worker', 'login'),
            ('helpline_proxy', 'login'),
            ('helpline_web', 'login')
        ) as role (name, options)
    loop
        continue when exists (select from pg_roles where rolname = wanted.name);
        begin
            execute format('create role %I %s', wanted.name, wanted.options);
        exception
            when duplicate_object or unique_violation then
                null;
            when insufficient_privilege then
                raise exception 'the role % is missing and % may not create it', wanted.name, current_user
                using errcode = 'insufficient_privilege',
                    hint = format(
                        'migrate as a user with createrole, or have one run: create role %I %s',
                        wanted.name, wanted.options
                    );
        end;
    end loop;
end
$$;

-- A prepared generic plan locks every partition of conversations. The setting belongs to the role, because
-- connection poolers refuse start-up parameters.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['helpline_worker', 'helpline_proxy', 'helpline_web'] loop
        for attempt in 1..50 loop
            exit when exists (
                select from pg_db_role_setting s
                join pg_roles r on r.oid = s.setrole
                where s.setdatabase = 0
                    and r.rolname = role_name
                    and 'plan_cache_mode=force_custom_plan' = any (s.setconfig)
            );
            begin
                execute format('alter role %I set plan_cache_mode = force_custom_plan', role_name);
            exception
                -- internal_error is "tuple concurrently updated".
                when internal_error or unique_violation then
                    if attempt = 50 then
                        raise;
                    end if;
                    perform pg_sleep(0.02);
                when insufficient_privilege then
                    raise warning 'queries of % lock every partition of conversations; as a superuser run: '
                        'alter role % set plan_cache_mode = force_custom_plan', role_name, quote_ident(role_name);
                    exit;
            end;
        end loop;
    end loop;
end
$$;
