-- Servers move between shards while their events flow; docs/adr/0011 has the protocol.

-- The truth of every move. planned: the server still lives on from_shard. left: from_shard's owner has applied the
-- marker "moved out" and, in the same transaction, put the server on to_shard. done: nothing of it is held any more
-- and "moved in" was seen. The row is written by one transaction at a time of one owner: until it has left by
-- from_shard's, then by to_shard's, so that none waits for the other.
create table helpline.server_moves (
    move_id bigint generated always as identity primary key,
    server_id bigint not null references public.servers (id) on delete cascade,
    from_shard integer not null references public.shards (id) on delete cascade,
    to_shard integer not null references public.shards (id) on delete cascade,
    state text not null default 'planned' check (state in ('planned', 'left', 'done')),
    created_at timestamptz not null default now(),
    left_at timestamptz,
    done_at timestamptz,
    check (from_shard <> to_shard)
);
-- One open move of a server at the most; and all that is looked at every second.
create unique index server_moves_open_idx on helpline.server_moves (server_id) where state <> 'done';
create index server_moves_arriving_idx on helpline.server_moves (to_shard) where state = 'left';
-- Recent moves: who has to cool down, and what may be deleted.
create index server_moves_server_id_idx on helpline.server_moves (server_id, done_at);
create index server_moves_done_at_idx on helpline.server_moves (done_at) where state = 'done';

-- Events that wait for a server to reach shard_id: written in the transaction that moves the cursor past their entry,
-- so that neither a trim nor a crash loses them. origin tells a replay, which takes no second place.
create table helpline.held_events (
    shard_id integer not null references public.shards (id) on delete cascade,
    server_id bigint not null references public.servers (id) on delete cascade,
    id bigint generated always as identity,
    origin text not null,
    kind text not null,
    received_at_ms bigint not null,
    payload bytea not null,
    held_at timestamptz not null default now(),
    primary key (shard_id, server_id, id),
    unique (shard_id, server_id, origin)
);

-- What a server costs: events a second plus seconds spent answering a second, in thousandths, as of measured_at; it
-- halves every ten minutes. A hint for placement, written outside the owners' transactions.
create table helpline.server_load (
    server_id bigint primary key references public.servers (id) on delete cascade,
    load_milli double precision not null,
    measured_at timestamptz not null default now()
);
create index server_load_measured_at_idx on helpline.server_load (measured_at);

-- What a load has come down to by now. Beyond a hundred halvings a power would underflow, which is an error.
create function helpline.decayed_load(load_milli double precision, measured_at timestamptz) returns double precision
language sql stable parallel safe
-- No search path is pinned: the planner could not put the expression in the place of the call then.
as $$
    select load_milli
        * power(0.5::float8, least(greatest(extract(epoch from now() - measured_at)::float8, 0), 60000) / 600)
$$;
revoke all on function helpline.decayed_load(double precision, timestamptz)
from public, anon, authenticated, service_role;
grant execute on function helpline.decayed_load(double precision, timestamptz) to helpline_worker;

alter table helpline.server_moves enable row level security;
alter table helpline.held_events enable row level security;
alter table helpline.server_load enable row level security;
revoke all on table helpline.server_moves, helpline.held_events, helpline.server_load
from public, anon, authenticated, service_role;
revoke all on sequence helpline.server_moves_move_id_seq, helpline.held_events_id_seq
from public, anon, authenticated, service_role;

grant select, insert, update, delete on table helpline.server_moves, helpline.held_events, helpline.server_load
to helpline_worker;
create policy server_moves_worker on helpline.server_moves
    for all to helpline_worker using (true) with check (true);
create policy held_events_worker on helpline.held_events
    for all to helpline_worker using (true) with check (true);
create policy server_load_worker on helpline.server_load
    for all to helpline_worker using (true) with check (true);

-- The holder of a gateway shard writes the markers of its servers' moves.
grant select (move_id, server_id, from_shard, to_shard, state) on table helpline.server_moves
to helpline_proxy;
create policy server_moves_proxy on helpline.server_moves for select to helpline_proxy using (true);
