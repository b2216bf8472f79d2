-- What `helpline partition promote` needs: it builds a server's own partition and a default partition without that
-- server beside the one in use, follows what is written meanwhile, and swaps them. docs/adr/0007 says why so.

-- The conversations that were written while a promotion copies. Empty whenever none runs.
create table helpline.conversation_changes (
    seq bigint generated always as identity primary key,
    server_id bigint not null,
    id uuid not null
);
alter table helpline.conversation_changes enable row level security;
revoke all on table helpline.conversation_changes from public, anon, authenticated, service_role;
revoke all on sequence helpline.conversation_changes_seq_seq from public, anon, authenticated, service_role;

-- Security definer: it runs as part of the statements of those who write conversations, and they may not write here.
create function helpline.note_conversation_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op <> 'INSERT' then
        insert into helpline.conversation_changes (server_id, id) values (old.server_id, old.id);
    end if;
    if tg_op = 'INSERT' or tg_op = 'UPDATE' and (old.server_id, old.id) <> (new.server_id, new.id) then
        insert into helpline.conversation_changes (server_id, id) values (new.server_id, new.id);
    end if;
    return null;
end
$$;

-- Brings the copies up to date and returns how many conversations it looked at. Both copies are right for every
-- conversation that is not noted, so all that is noted is copied anew, whatever happened to it.
-- The caller's transaction reads one snapshot (repeatable read), or nobody can write (the swap).
create function helpline.apply_conversation_changes(server bigint, own regclass, rest regclass) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    server_ids bigint[];
    ids uuid[];
    columns text;
begin
    with taken as (
        delete from helpline.conversation_changes returning server_id, id
    )
    select array_agg(t.server_id), array_agg(t.id) into server_ids, ids
    from (select distinct taken.server_id, taken.id from taken) t;
    if ids is null then
        return 0;
    end if;

    select string_agg(format('%I', a.attname), ', ' order by a.attnum) into columns
    from pg_catalog.pg_attribute a
    where a.attrelid = 'helpline.conversations_default'::regclass
        and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';

    execute format(
        'delete from %s c using unnest($1, $2) as k (server_id, id) where c.server_id = k.server_id and c.id = k.id',
        own
    ) using server_ids, ids;
    execute format(
        'delete from %s c using unnest($1, $2) as k (server_id, id) where c.server_id = k.server_id and c.id = k.id',
        rest
    ) using server_ids, ids;
    execute format(
        'insert into %s (%s) select %s from helpline.conversations_default
         where (server_id, id) in (select * from unnest($2, $3)) and server_id = $1',
        own, columns, columns
    ) using server, server_ids, ids;
    execute format(
        'insert into %s (%s) select %s from helpline.conversations_default
         where (server_id, id) in (select * from unnest($2, $3)) and server_id <> $1',
        rest, columns, columns
    ) using server, server_ids, ids;
    return cardinality(ids);
end
$$;

revoke all on function
    helpline.note_conversation_change(), helpline.apply_conversation_changes(bigint, regclass, regclass)
from public, anon, authenticated, service_role;
