select d.id, d.title,
    (
        select count(*) from helpline.knowledge_passages p where p.server_id = $1 and p.document_id = d.id
    ) as "passages!",
    exists (
        select from helpline.knowledge_originals o
        where o.server_id = $1 and o.document_id = d.id and o.file is not null
    ) as "has_file!"
from public.knowledge_documents d
where d.server_id = $1 and (d.id = $2 or lower(d.title) = lower(btrim($3::text)))
order by d.id = $2 desc nulls last, d.updated_at desc
limit 1
