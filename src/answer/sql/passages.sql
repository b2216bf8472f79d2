select
    p.document_id as "document_id!",
    d.title as "title!",
    p.ordinal as "ordinal!",
    p.heading as "heading!",
    p.content as "content!",
    p.lexemes::text as "lexemes!"
from helpline.knowledge_passages as p
join public.knowledge_documents as d on d.server_id = p.server_id and d.id = p.document_id
where p.server_id = $1
-- By title, so that equal scores are ranked alike wherever the same documents were imported.
order by d.title collate "C", p.document_id, p.ordinal
