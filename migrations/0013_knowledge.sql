-- What admins do with documents in Discord: where each came from, drafts that wait for a yes, questions that no document
-- answered, and how much a plan allows.

-- Who brought a document in, and the file where its text is not the same: a PDF. For as long as the document's content is
-- what was read from it.
create table helpline.knowledge_originals (
    server_id bigint not null references public.servers (id) on delete cascade,
    document_id uuid not null,
    -- a Discord id; null: the command line
    added_by bigint,
    filename text not null default '' check (char_length(filename) <= 300),
    content_hash bytea not null,
    file bytea check (octet_length(file) <= 10485760),
    added_at timestamptz not null default now(),
    primary key (server_id, document_id),
    foreign key (server_id, document_id) references public.knowledge_documents (server_id, id) on delete cascade
);
-- It is compressed already.
alter table helpline.knowledge_originals alter column file set storage external;

-- Documents of a title that is taken, until whoever sent them says what is to become of them. For an hour.
create table helpline.knowledge_drafts (
    server_id bigint not null references public.servers (id) on delete cascade,
    id uuid not null,
    title text not null,
    content text not null check (octet_length(content) <= 1048576),
    file_type text not null,
    filename text not null check (char_length(filename) <= 300),
    file bytea check (octet_length(file) <= 10485760),
    added_by bigint not null,
    gap_id uuid,
    created_at timestamptz not null default now(),
    primary key (server_id, id)
);
create index knowledge_drafts_created_at_idx on helpline.knowledge_drafts (created_at);

-- Questions that belong together and got no good answer, as /gaps showed them. Closed while the document is there that
-- was written for them.
create table helpline.knowledge_gaps (
    server_id bigint not null references public.servers (id) on delete cascade,
    id uuid not null,
    title text not null,
    -- the ids of their messages and interactions
    questions bigint[] not null,
    shown_at timestamptz not null default now(),
    document_id uuid,
    primary key (server_id, id),
    foreign key (server_id, document_id) references public.knowledge_documents (server_id, id)
        on delete set null (document_id)
);
create index knowledge_gaps_document_id_idx on helpline.knowledge_gaps (server_id, document_id);
create index knowledge_gaps_shown_at_idx on helpline.knowledge_gaps (shown_at);

-- How much a server knows, and how much its plan allows; a server without a plan has the defaults.
-- features: {"max_documents": n, "max_knowledge_bytes": n}
create function helpline.knowledge_room(of_server bigint)
returns table (documents bigint, bytes bigint, max_documents bigint, max_bytes bigint)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select d.documents, d.bytes,
        case when jsonb_typeof(p.features -> 'max_documents') = 'number'
            then least(greatest((p.features ->> 'max_documents')::numeric, 0), 1e12)::bigint else 1000 end,
        case when jsonb_typeof(p.features -> 'max_knowledge_bytes') = 'number'
            then least(greatest((p.features ->> 'max_knowledge_bytes')::numeric, 0), 1e15)::bigint else 16777216 end
    from public.servers s
    left join public.billing_plans p on p.id = s.plan_id
    cross join lateral (
        select count(*) as documents, coalesce(sum(octet_length(k.content)), 0)::bigint as bytes
        from public.knowledge_documents k
        where k.server_id = of_server
    ) d
    where s.id = of_server
$$;

-- Refuses what makes a server know more than its plan allows, whoever writes it; what was there before a plan shrank
-- stays. By statement, and by name after raise_knowledge_version: that one locks the server's version, so that two
-- transactions do not each find room for themselves. Definer: a dashboard's user sees no plans of others.
create function helpline.stay_within_plan() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    grown bigint[];
    of_server bigint;
    room record;
begin
    if tg_op = 'INSERT' then
        select array_agg(distinct a.server_id) into grown from added a;
    else
        select array_agg(t.server_id) into grown
        from (
            select coalesce(a.server_id, r.server_id) as server_id
            from (select server_id, sum(octet_length(content)) as bytes from added group by server_id) a
            full join (select server_id, sum(octet_length(content)) as bytes from removed group by server_id) r
                using (server_id)
            where coalesce(a.bytes, 0) > coalesce(r.bytes, 0)
        ) t;
    end if;
    foreach of_server in array coalesce(grown, '{}') loop
        select * into room from helpline.knowledge_room(of_server);
        if tg_op = 'INSERT' and room.documents > room.max_documents then
            raise exception 'the server would have % documents, its plan allows %', room.documents, room.max_documents
                using errcode = 'HL003', hint = 'remove documents, or choose a larger plan';
        end if;
        if room.bytes > room.max_bytes then
            raise exception 'the documents of the server would have % bytes, its plan allows %',
                room.bytes, room.max_bytes
                using errcode = 'HL003', hint = 'remove documents, or choose a larger plan';
        end if;
    end loop;
    return null;
end
$$;

create trigger stay_within_plan_insert after insert on public.knowledge_documents
    referencing new table as added
    for each statement execute function helpline.stay_within_plan();
create trigger stay_within_plan_update after update on public.knowledge_documents
    referencing old table as removed new table as added
    for each statement execute function helpline.stay_within_plan();

create trigger refuse_to_move before update of server_id on helpline.knowledge_originals
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.knowledge_drafts
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.knowledge_gaps
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();

alter table helpline.knowledge_originals enable row level security;
alter table helpline.knowledge_drafts enable row level security;
alter table helpline.knowledge_gaps enable row level security;
revoke all on table helpline.knowledge_originals, helpline.knowledge_drafts, helpline.knowledge_gaps
from public, anon, authenticated, service_role;
revoke all on function helpline.knowledge_room(bigint), helpline.stay_within_plan()
from public, anon, authenticated, service_role;

grant select, insert, update, delete
    on table helpline.knowledge_originals, helpline.knowledge_drafts, helpline.knowledge_gaps to helpline_worker;
grant execute on function helpline.knowledge_room(bigint) to helpline_worker;
create policy knowledge_originals_worker on helpline.knowledge_originals
    for all to helpline_worker using (true) with check (true);
create policy knowledge_drafts_worker on helpline.knowledge_drafts
    for all to helpline_worker using (true) with check (true);
create policy knowledge_gaps_worker on helpline.knowledge_gaps
    for all to helpline_worker using (true) with check (true);
