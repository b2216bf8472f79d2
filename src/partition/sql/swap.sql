-- The swap is one statement, so that neither a round trip nor the death of the client falls into the pause.
do $swap$
declare
    reference record;
    again text[] := '{}';
    statement text;
begin
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    -- Nobody who writes waits for this lock. It ends an autovacuum after deadlock_timeout and keeps the next one out.
    perform set_config('lock_timeout', '10s', true);
    lock table only helpline.conversations_default in share update exclusive mode;

    -- Everybody waits from the moment the first of these is asked for. Whoever comes after it plans anew.
    perform set_config('lock_timeout', '{lock_timeout_ms}ms', true);
    lock table only public.conversations in access exclusive mode;
    lock table only public.servers in share row exclusive mode;
    for reference in
        select f.conrelid::regclass as referencing
        from pg_catalog.pg_constraint f
        where f.contype = 'f' and f.confrelid = 'public.conversations'::regclass and f.conparentid = 0
        order by 1
    loop
        execute format('lock table only %s in access exclusive mode', reference.referencing);
    end loop;

    if (select count(*) from (select from helpline.conversation_changes limit {most_changes} + 1) c) > {most_changes} then
        raise exception 'more than {most_changes} conversations were written since the copy'
            using errcode = 'lock_not_available';
    end if;
    perform helpline.apply_conversation_changes(
        {server}, 'helpline.conversations_s{server}', 'helpline.conversations_default_next'
    );

    -- Postgres lets no partition go that tickets refer to, and nobody but a superuser may switch that off.
    for reference in
        select f.conname as name, f.conrelid::regclass as referencing, pg_catalog.pg_get_constraintdef(f.oid) as definition
        from pg_catalog.pg_constraint f
        where f.contype = 'f' and f.confrelid = 'public.conversations'::regclass and f.conparentid = 0
        order by 2, 1
    loop
        execute format('alter table %s drop constraint %I', reference.referencing, reference.name);
        again := again || format(
            'alter table %s add constraint %I %s not valid',
            reference.referencing, reference.name, replace(reference.definition, ' NOT VALID', '')
        );
    end loop;

    alter table public.conversations detach partition helpline.conversations_default;
    alter table helpline.conversations_default rename to conversations_default_old;
    alter table public.conversations attach partition helpline.conversations_s{server} for values in ({server});
    alter table public.conversations attach partition helpline.conversations_default_next default;
    alter table helpline.conversations_default_next rename to conversations_default;
    foreach statement in array again loop
        execute statement;
    end loop;

    alter table helpline.conversations_s{server} drop constraint promoting;
    alter table helpline.conversations_s{server} reset (autovacuum_enabled);
    alter table helpline.conversations_default drop constraint promoting;
    alter table helpline.conversations_default reset (autovacuum_enabled);
end
$swap$
