-- After the swap: the old partition goes, and the new one's indexes get the names they would have had.
do $finish$
declare
    index record;
begin
    perform set_config('search_path', 'pg_catalog, pg_temp', true);
    drop table if exists helpline.conversations_default_old;
    for index in
        select c.oid::regclass as name, replace(c.relname, 'conversations_default_next', 'conversations_default') as wanted
        from pg_catalog.pg_index x
        join pg_catalog.pg_class c on c.oid = x.indexrelid
        where x.indrelid = 'helpline.conversations_default'::regclass
            and c.relname like 'conversations\_default\_next%'
    loop
        if to_regclass('helpline.' || quote_ident(index.wanted)) is null then
            execute format('alter index %s rename to %I', index.name, index.wanted);
        end if;
    end loop;
end
$finish$
