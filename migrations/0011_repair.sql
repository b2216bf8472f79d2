-- What repairs: whether an effect may have been carried out already, events put aside and replayed, events that ended
-- their owner, and what was missed of Discord's gateway and is read again over REST.

-- Set before an effect is first tried: null = Discord cannot have seen it. Reset by a look that did not find it.
alter table helpline.outbox add column attempted_at timestamptz;

-- What an event needs to be applied again by its shard's owner. origin is null for rows of earlier releases.
alter table helpline.dead_letters
    add column origin text,
    add column received_at timestamptz,
    add column tries integer not null default 3,
    add column replay_requested_at timestamptz;
create index dead_letters_replay_idx on helpline.dead_letters (id) where replay_requested_at is not null;

-- Stands while an owner applies what it found first (stream_id null) or one suspected event. Whoever claims the shard
-- and finds it knows that its predecessor ended there; deaths counts such ends before the present one.
-- held_of 0 = in the shard's stream; else among the held events of that server.
create table helpline.shard_trials (
    shard_id integer not null references public.shards (id) on delete cascade,
    held_of bigint not null default 0,
    stream_id text,
    deaths integer not null default 0,
    since timestamptz not null default now(),
    primary key (shard_id, held_of)
);

-- The newest message of a channel that was applied: where reading over REST begins when nothing else is known.
create table helpline.channel_marks (
    server_id bigint not null references public.servers (id) on delete cascade,
    channel_id bigint not null,
    message_id bigint not null,
    primary key (server_id, channel_id)
);

-- Events of Discord's that did not reach the streams. shard_id null = of every server of the gateway shard.
-- to_at null = events are still being missed.
create table helpline.gaps (
    id bigint generated always as identity primary key,
    gateway_total integer not null,
    gateway_id integer not null,
    shard_id integer,
    cause text not null
        check (cause in ('session_lost', 'session_unknown', 'stream_full', 'stream_lost')),
    from_at timestamptz not null,
    to_at timestamptz,
    state text not null default 'open' check (state in ('open', 'repaired', 'given_up')),
    channels integer not null default 0,
    channels_given_up integer not null default 0,
    messages integer not null default 0,
    requests integer not null default 0,
    interactions integer not null default 0,
    -- by list_new_threads
    threads_listed boolean not null default false,
    created_at timestamptz not null default now(),
    finished_at timestamptz
);
create index gaps_open_idx on helpline.gaps (gateway_total, gateway_id) where state = 'open';

-- The channels of a gap that are still to be read, from after_id on; those given up stay with their reason.
create table helpline.gap_channels (
    gap_id bigint not null references helpline.gaps (id) on delete cascade,
    server_id bigint not null references public.servers (id) on delete cascade,
    channel_id bigint not null,
    after_id bigint not null,
    requests integer not null default 0,
    given_up text,
    primary key (gap_id, server_id, channel_id)
);
create index gap_channels_server_id_idx on helpline.gap_channels (server_id);

-- The first message id that Discord can have given out at a moment.
-- Source: https://discord.com/developers/docs/reference#snowflakes
create function helpline.snowflake_at(moment timestamptz) returns bigint
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select greatest((extract(epoch from moment) * 1000)::bigint - 1420070400000, 0) << 22
$$;

-- The servers of a gateway shard, or of one shard of them, in which the bot listens. What a shard missed may be of a server
-- that is on its way there, or has left since: moves are known for a day.
create function helpline.listening_servers(total integer, gateway integer, shard integer) returns table (id bigint)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.id
    from public.servers s
    join public.server_shards p on p.server_id = s.id
    where s.active
        and s.config -> 'enabled' = 'true'::jsonb
        and (s.id >> 22) % total = gateway
        and (
            shard is null
            or p.shard_id = shard
            or exists (
                select from helpline.server_moves m
                where m.server_id = s.id and shard in (m.from_shard, m.to_shard)
            )
        )
$$;

-- Their threads of conversations that went on since then.
create function helpline.open_threads(total integer, gateway integer, shard integer, since timestamptz)
returns table (server_id bigint, channel_id bigint)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select v.server_id, v.thread_id::bigint
    from helpline.listening_servers(total, gateway, shard) s
    join public.conversations v on v.server_id = s.id
    where v.status = 'active'
        and v.thread_id ~ '^[0-8]?[0-9]{1,18}$'
        and v.updated_at > since
$$;

-- Records a gap with the channels that are to be read for it; null when there is none, because nothing was ever applied.
-- from_at null: unknown; then each channel is read from what was applied last. Nothing older than reach is read.
-- in_servers, in_channels: channels in which something is known to be missing, of these servers.
-- Definer: the proxy may not read conversations.
create function helpline.open_gap(
    total integer, gateway integer, shard integer, why text, missed_from timestamptz, missed_to timestamptz,
    missed_interactions integer, reach interval, in_servers bigint[], in_channels bigint[]
) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    gap bigint;
    -- A time of ours is less sure than one of Discord's: clocks differ.
    begun timestamptz := coalesce(
        missed_from, (select max(s.moved_at) from helpline.shard_streams s) - interval '25 seconds'
    );
    -- Messages come a little out of order, and what is read twice is applied once.
    from_id bigint := helpline.snowflake_at(begun - interval '5 seconds');
    oldest_id bigint := helpline.snowflake_at(now() - reach);
    added integer;
begin
    if begun is null then
        return null;
    end if;
    insert into helpline.gaps (gateway_total, gateway_id, shard_id, cause, from_at, to_at, interactions)
    values (total, gateway, shard, why, begun, missed_to, missed_interactions)
    returning id into gap;
    insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id)
    select gap, c.server_id, c.channel_id,
        greatest(oldest_id, case when missed_from is null then coalesce(m.message_id, from_id) else from_id end)
    from (
        select s.id as server_id, listed.channel::bigint as channel_id
        from helpline.listening_servers(total, gateway, shard) l
        join public.servers s on s.id = l.id
        cross join lateral jsonb_array_elements_text(
            case when jsonb_typeof(s.config -> 'channels') = 'array' then s.config -> 'channels' else '[]' end
        ) as listed (channel)
        where listed.channel ~ '^[0-8]?[0-9]{1,18}$'
        union
        select t.server_id, t.channel_id
        from helpline.open_threads(total, gateway, shard, now() - greatest(reach, interval '2 days')) t
        union
        -- Other channels in which somebody has turned to the bot of late.
        select k.server_id, k.channel_id
        from helpline.listening_servers(total, gateway, shard) l
        join helpline.channel_marks k on k.server_id = l.id
        where k.message_id > helpline.snowflake_at(now() - greatest(reach, interval '7 days'))
        union
        select i.server, i.channel
        from helpline.listening_servers(total, gateway, shard) l
        join unnest(in_servers, in_channels) as i (server, channel) on i.server = l.id
    ) as c
    left join helpline.channel_marks m on m.server_id = c.server_id and m.channel_id = c.channel_id;
    get diagnostics added = row_count;
    update helpline.gaps set channels = added where id = gap;
    return gap;
end
$$;

-- Adds the threads that were started between the recording of one shard's gap and its repair: a follow-up in one of them may
-- be missing as well. A thread is noted before it is started, so that one look sees all of them. After a lost session the
-- next one tells of them (notice_channels). Returns how many were added. Definer: the proxy may not read conversations.
create function helpline.list_new_threads(of_gap bigint, reach interval) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    gap helpline.gaps;
    added integer;
begin
    update helpline.gaps g set threads_listed = true
    where g.id = of_gap and g.state = 'open' and g.shard_id is not null and not g.threads_listed
    returning g.* into gap;
    if gap.id is null then
        return 0;
    end if;
    insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id)
    select gap.id, t.server_id, t.channel_id,
        greatest(helpline.snowflake_at(now() - reach), helpline.snowflake_at(gap.from_at - interval '5 seconds'))
    from helpline.open_threads(
        gap.gateway_total, gap.gateway_id, gap.shard_id, gap.created_at - interval '1 minute'
    ) t
    on conflict do nothing;
    get diagnostics added = row_count;
    update helpline.gaps g set channels = g.channels + added where g.id = gap.id;
    return added;
end
$$;

-- Takes what a new session tells of channels, each with its newest message, into the gaps that the sessions before left:
-- channels that were written in while nobody listened are added to the newest, which is open again if it was done, and
-- channels in which nothing is newer than what is known are not read. Returns the told channels that are to be read.
-- Definer: the proxy may not add channels by itself.
create function helpline.notice_channels(
    total integer, gateway integer, in_servers bigint[], in_channels bigint[], newest bigint[], reach interval
) returns setof bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    gaps bigint[];
    gap bigint;
    after bigint;
    added integer;
begin
    -- Locked, so that none of them is ended meanwhile.
    perform from helpline.gaps g
    where g.gateway_total = total and g.gateway_id = gateway and g.shard_id is null
        and (g.state = 'open' or g.finished_at > now() - interval '10 minutes')
    order by g.id
    for update;
    -- The newest takes all; an earlier one may have been left before everything of it was told.
    select array_agg(g.id), max(g.id),
        helpline.snowflake_at(greatest(min(g.from_at) - interval '5 seconds', now() - reach))
    into gaps, gap, after
    from helpline.gaps g
    where g.gateway_total = total and g.gateway_id = gateway and g.shard_id is null
        and (g.state = 'open' or g.finished_at > now() - interval '10 minutes');
    if gap is not null then
        with dropped as (
            delete from helpline.gap_channels c
            using unnest(in_servers, in_channels, newest) as i (server, channel, newest)
            where c.gap_id = any (gaps) and c.server_id = i.server and c.channel_id = i.channel
                and c.given_up is null and i.newest <= c.after_id
            returning c.gap_id
        ), counted as (
            select d.gap_id, count(*)::integer as channels from dropped d group by d.gap_id
        )
        update helpline.gaps g set channels = greatest(g.channels - c.channels, 0)
        from counted c where g.id = c.gap_id;
        insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id)
        select gap, i.server, i.channel, after
        from unnest(in_servers, in_channels, newest) as i (server, channel, newest)
        join helpline.listening_servers(total, gateway, null) l on l.id = i.server
        where i.newest > after
            and not exists (
                select from helpline.gap_channels c
                where c.gap_id = any (gaps) and c.server_id = i.server and c.channel_id = i.channel
            )
        on conflict do nothing;
        get diagnostics added = row_count;
        if added > 0 then
            update helpline.gaps g
            set channels = g.channels + added, state = 'open', finished_at = null
            where g.id = gap;
        end if;
    end if;
    return query
        select distinct c.channel_id
        from helpline.gaps g
        join helpline.gap_channels c on c.gap_id = g.id
        join unnest(in_servers, in_channels) as i (server, channel)
            on c.server_id = i.server and c.channel_id = i.channel
        where g.gateway_total = total and g.gateway_id = gateway and g.state = 'open' and c.given_up is null;
end
$$;

-- Makes a new set's gateway shard take up what it serves now of the open gaps of sets that are gone. Returns how many
-- gaps it took something of. Definer: it moves work between gaps, which the proxy may not make.
create function helpline.adopt_gaps(new_total integer, new_gateway integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    old helpline.gaps;
    own bigint;
    moved integer;
    adopted integer := 0;
begin
    for old in
        select g.*
        from helpline.gaps g
        where g.state = 'open'
            and not exists (select from helpline.gateway_sets s where s.total = g.gateway_total)
            and g.gateway_total <> new_total
        order by g.id
        -- another gateway shard that takes its part is not waited for; what is left is looked at again
        for update of g skip locked
    loop
        if exists (
            select from helpline.gap_channels c
            where c.gap_id = old.id and c.given_up is null and (c.server_id >> 22) % new_total = new_gateway
        ) then
            insert into helpline.gaps (gateway_total, gateway_id, shard_id, cause, from_at, to_at)
            values (new_total, new_gateway, old.shard_id, old.cause, old.from_at, old.to_at)
            returning id into own;
            update helpline.gap_channels c set gap_id = own
            where c.gap_id = old.id and c.given_up is null and (c.server_id >> 22) % new_total = new_gateway;
            get diagnostics moved = row_count;
            update helpline.gaps g set channels = moved where g.id = own;
            update helpline.gaps g set channels = greatest(g.channels - moved, 0) where g.id = old.id;
            adopted := adopted + 1;
        end if;
        update helpline.gaps g
        set state = case when g.channels_given_up = 0 then 'repaired' else 'given_up' end, finished_at = now()
        where g.id = old.id
            and not exists (select from helpline.gap_channels c where c.gap_id = old.id and c.given_up is null);
    end loop;
    return adopted;
end
$$;

alter table helpline.shard_trials enable row level security;
alter table helpline.channel_marks enable row level security;
alter table helpline.gaps enable row level security;
alter table helpline.gap_channels enable row level security;

-- Some hosts grant everything new to everybody.
revoke all on table helpline.shard_trials, helpline.channel_marks, helpline.gaps, helpline.gap_channels
from public, anon, authenticated, service_role;
revoke all on sequence helpline.gaps_id_seq from public, anon, authenticated, service_role;
revoke all on function
    helpline.snowflake_at(timestamptz),
    helpline.adopt_gaps(integer, integer),
    helpline.list_new_threads(bigint, interval),
    helpline.listening_servers(integer, integer, integer),
    helpline.notice_channels(integer, integer, bigint[], bigint[], bigint[], interval),
    helpline.open_threads(integer, integer, integer, timestamptz),
    helpline.open_gap(
        integer, integer, integer, text, timestamptz, timestamptz, integer, interval, bigint[], bigint[]
    )
from public, anon, authenticated, service_role;

-- A row keeps its server.
create trigger refuse_to_move before update of server_id on helpline.channel_marks
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.gap_channels
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();

grant select, insert, update, delete on table helpline.shard_trials to helpline_worker;
grant select, insert, update on table helpline.channel_marks to helpline_worker;
grant select, delete on table helpline.gaps to helpline_worker;
create policy shard_trials_worker on helpline.shard_trials for all to helpline_worker using (true) with check (true);
create policy channel_marks_worker on helpline.channel_marks
    for all to helpline_worker using (true) with check (true);
create policy gaps_worker on helpline.gaps for all to helpline_worker using (true);

grant select, update on table helpline.gaps to helpline_proxy;
grant select, update, delete on table helpline.gap_channels to helpline_proxy;
grant execute on function
    helpline.adopt_gaps(integer, integer),
    helpline.list_new_threads(bigint, interval),
    helpline.notice_channels(integer, integer, bigint[], bigint[], bigint[], interval),
    helpline.open_gap(
        integer, integer, integer, text, timestamptz, timestamptz, integer, interval, bigint[], bigint[]
    )
to helpline_proxy;
create policy gaps_proxy on helpline.gaps for all to helpline_proxy using (true) with check (true);
create policy gap_channels_proxy on helpline.gap_channels for all to helpline_proxy using (true) with check (true);
