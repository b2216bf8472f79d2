-- Documents of one server whose passages are missing or were made from something else.
select
    d.id as "id!",
    d.title as "title!",
    d.content as "content!",
    d.file_type as "file_type!",
    h.hash as "hash!"
from public.knowledge_documents as d
cross join lateral (
    select sha256(convert_to(concat_ws(E'\x1f', $2::text, d.title, d.file_type, d.content), 'UTF8')) as hash
) as h
left join helpline.knowledge_indexed as i on i.document_id = d.id and i.server_id = d.server_id
where d.server_id = $1 and i.content_hash is distinct from h.hash
order by d.id
limit $3
