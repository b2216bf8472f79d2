-- Of passages that are still the rows that were read.
insert into helpline.knowledge_vectors (server_id, document_id, ordinal, model, vector)
select p.server_id, p.document_id, p.ordinal, $2, t.vector
from unnest($3::uuid[], $4::integer[], $5::text[], $6::bytea[]) as t (document_id, ordinal, made, vector)
join helpline.knowledge_passages as p
    on p.server_id = $1 and p.document_id = t.document_id and p.ordinal = t.ordinal and p.xmin::text = t.made
on conflict (server_id, document_id, ordinal) do update
set model = excluded.model, vector = excluded.vector
