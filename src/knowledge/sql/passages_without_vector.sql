-- The next passages that the model has not read, with what names their row: a passage that was made anew meanwhile is
-- another row, whatever it says.
select
    p.document_id as "document_id!",
    p.ordinal as "ordinal!",
    d.title as "title!",
    p.heading as "heading!",
    p.content as "content!",
    p.xmin::text as "made!"
from helpline.knowledge_passages as p
join public.knowledge_documents as d on d.server_id = p.server_id and d.id = p.document_id
where p.server_id = $1
    and (p.document_id, p.ordinal) > ($3, $4)
    and not exists (
        select from helpline.knowledge_vectors as v
        where v.server_id = p.server_id and v.document_id = p.document_id and v.ordinal = p.ordinal and v.model = $2
    )
order by p.document_id, p.ordinal
limit $5
