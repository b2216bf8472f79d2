-- What is like a new document: one with the very content, the newest one of its title, and the one that it is to replace.
select
    (
        select d.title from public.knowledge_documents d
        where d.server_id = $1 and d.content = $3 and ($4::uuid is null or d.id = $4) limit 1
    ) as known_as,
    titled.id as "titled?", titled.bytes as "titled_bytes?",
    replaced.id as "replaced?", replaced.bytes as "replaced_bytes?"
from (select 1) as one (row)
left join (
    select d.id, octet_length(d.content)::bigint as bytes from public.knowledge_documents d
    where d.server_id = $1 and lower(d.title) = lower($2)
    order by d.updated_at desc, d.id
    limit 1
) titled on true
left join (
    select d.id, octet_length(d.content)::bigint as bytes from public.knowledge_documents d
    where d.server_id = $1 and d.id = $4
) replaced on true
