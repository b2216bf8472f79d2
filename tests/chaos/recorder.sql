-- Writes down who did what, in an order that decides.
--
-- A claim or a move is recorded when its row lock is had, everything else at the end of its transaction (deferred).
-- A write that honours the fence holds it until its transaction is over, so it comes before the claim that
-- supersedes it; one that does not comes after, however long before it was begun.
create schema chaos;
create sequence chaos.seq;
create table chaos.records (
    seq bigint primary key default nextval('chaos.seq'),
    at timestamptz not null default clock_timestamp(),
    xid text not null default pg_current_xact_id()::text,
    pid integer not null default pg_backend_pid(),
    process text not null default current_setting('application_name'),
    what text not null,
    shard integer,
    server bigint,
    epoch bigint,
    owner text,
    incarnation bigint,
    cursor bigint,
    key text
);

create function chaos.claimed() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into chaos.records (what, shard, epoch, owner)
    values ('fence', new.shard_id, new.epoch, new.owner::text || '/' || coalesce(new.claim_token::text, ''));
    return null;
end
$$;
create trigger chaos_claimed after update on helpline.shard_fences
    for each row execute function chaos.claimed();

create function chaos.placed() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into chaos.records (what, server, shard) values ('place', new.server_id, new.shard_id);
    return null;
end
$$;
create trigger chaos_placed after insert or update of shard_id on public.server_shards
    for each row execute function chaos.placed();

create function chaos.moved() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into chaos.records (what, shard, epoch, incarnation, cursor)
    values ('cursor', new.shard_id, new.cursor_epoch, new.incarnation, new.cursor_seq);
    return null;
end
$$;
create constraint trigger chaos_moved after update on helpline.shard_streams
    deferrable initially deferred for each row execute function chaos.moved();

create function chaos.event() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into chaos.records (what, key) values ('event', encode(new.key, 'hex'));
    return null;
end
$$;
create constraint trigger chaos_event after insert on helpline.event_keys
    deferrable initially deferred for each row execute function chaos.event();

create function chaos.effect() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into chaos.records (what, server, key)
    values (
        case
            when tg_op = 'INSERT' then 'effect'
            when new.state = 'sent' then 'sent'
            when new.state = 'failed' then 'given-up'
            else 'effect-changed'
        end,
        new.server_id,
        format('%s/%s/%s', new.event_id, new.effect, new.part)
    );
    return null;
end
$$;
create constraint trigger chaos_effect after insert or update on helpline.outbox
    deferrable initially deferred for each row execute function chaos.effect();

create function chaos.server_row() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into chaos.records (what, server, key)
    select tg_argv[0], changed.server_id, changed.id::text
    from (select (case when tg_op = 'DELETE' then old else new end).*) as changed;
    return null;
end
$$;
create constraint trigger chaos_job after insert or update or delete on helpline.answer_jobs
    deferrable initially deferred for each row execute function chaos.server_row('job');
create constraint trigger chaos_conversation after insert or update on public.conversations
    deferrable initially deferred for each row execute function chaos.server_row('conversation');
