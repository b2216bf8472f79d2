-- What members and admins may have forgotten: a member his own words, and a server that the bot has left everything.

-- A vote goes with its member.
grant delete on table helpline.feedback to helpline_worker;

-- When the bot left; null: it is there, or what there was is forgotten. Kept by a trigger, whoever writes `active`.
alter table public.servers add column left_at timestamptz;
update public.servers set left_at = now() where not active;

create function helpline.note_leaving() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.left_at = case when not new.active then now() end;
    return new;
end
$$;

create trigger note_leaving before update of active on public.servers
    for each row when (old.active is distinct from new.active)
    execute function helpline.note_leaving();

create index servers_left_at_idx on public.servers (left_at) where left_at is not null;

-- Forgets servers of a shard that the bot left longer ago than that: documents, conversations with their tickets, votes and
-- settings. A few at a time, so that no lock is held for long; returns how many. The row of the server stays for whoever
-- has to account for it, with its statistics: a server that comes back begins anew. Security definer, because workers delete
-- no conversation. The tables of later migrations are there when it runs.
create function helpline.forget_left_servers(shard integer, days integer) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    forgotten bigint := 0;
begin
    for gone in
        select s.id
        from public.servers s
        join public.server_shards p on p.server_id = s.id
        where p.shard_id = shard and not s.active
            and s.left_at < now() - make_interval(days => greatest(days, 1))
        order by s.left_at
        limit 5
        for no key update of s skip locked
    loop
        delete from helpline.outbox where server_id = gone;
        delete from public.forwarded_tickets where server_id = gone;
        delete from public.conversations where server_id = gone;
        delete from public.knowledge_documents where server_id = gone;
        delete from helpline.knowledge_drafts where server_id = gone;
        delete from helpline.knowledge_gaps where server_id = gone;
        delete from helpline.silences where server_id = gone;
        delete from helpline.canned_replies where server_id = gone;
        delete from helpline.suggestions where server_id = gone;
        delete from helpline.resolutions where server_id = gone;
        delete from helpline.channel_marks where server_id = gone;
        delete from helpline.asked where server_id = gone;
        delete from helpline.dead_letters where server_id = gone;
        delete from public.server_admins where server_id = gone;
        delete from helpline.pending_admins where server_id = gone;
        update public.servers set config = default, icon_url = null, left_at = null where id = gone;
        forgotten := forgotten + 1;
    end loop;
    return forgotten;
end
$$;

revoke all on function helpline.note_leaving(), helpline.forget_left_servers(integer, integer)
    from public, anon, authenticated, service_role;
grant execute on function helpline.forget_left_servers(integer, integer) to helpline_worker;
