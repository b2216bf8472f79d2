-- Vectors of passages, for those who switch dense retrieval on, and how far what is derived of a server's documents has come.

-- A vector goes with its passage: when a document changes its passages are made anew, and have none yet. One model each:
-- what another model made is written over, and never compared.
create table helpline.knowledge_vectors (
    server_id bigint not null,
    document_id uuid not null,
    ordinal integer not null,
    model text not null check (char_length(model) between 1 and 200),
    -- Eight bits a dimension.
    vector bytea not null check (octet_length(vector) between 1 and 4096),
    primary key (server_id, document_id, ordinal),
    foreign key (server_id, document_id, ordinal)
        references helpline.knowledge_passages (server_id, document_id, ordinal) on delete cascade
);

-- The version of a server's documents (knowledge_versions) up to which everything was derived: passages by whom, vectors by
-- which model. No row, null or another version = it is to be looked at; what is derived already is then found.
create table helpline.knowledge_derived (
    server_id bigint primary key references public.servers (id) on delete cascade,
    passages_version bigint,
    passages_from text,
    vectors_version bigint,
    vectors_model text
);

alter table helpline.knowledge_vectors enable row level security;
alter table helpline.knowledge_derived enable row level security;

-- Some hosts grant everything new to everybody.
revoke all on table helpline.knowledge_vectors, helpline.knowledge_derived
from public, anon, authenticated, service_role;

-- A row keeps its server.
create trigger refuse_to_move before update of server_id on helpline.knowledge_vectors
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();
create trigger refuse_to_move before update of server_id on helpline.knowledge_derived
    for each row when (old.server_id <> new.server_id) execute function helpline.refuse_to_move();

grant select, insert, update on table helpline.knowledge_vectors to helpline_worker;
grant select, insert, update, delete on table helpline.knowledge_derived to helpline_worker;
create policy knowledge_vectors_worker on helpline.knowledge_vectors
    for all to helpline_worker using (true) with check (true);
create policy knowledge_derived_worker on helpline.knowledge_derived
    for all to helpline_worker using (true) with check (true);
