select d.title, d.content, d.file_type, d.created_at, d.updated_at,
    coalesce(s.config ->> 'language', 'en') as "language!",
    o.added_by as "added_by?", o.filename as "filename?", o.content_hash as "content_hash?", o.file as "file?",
    p.passages as "passages!", p.headings as "headings!"
from public.knowledge_documents d
join public.servers s on s.id = d.server_id
left join helpline.knowledge_originals o on o.server_id = d.server_id and o.document_id = d.id
cross join lateral (
    select coalesce(sum(h.times), 0)::bigint as passages,
        coalesce(array_agg(h.heading order by h.first) filter (where h.heading <> ''), '{}') as headings
    from (
        select heading, min(ordinal) as first, count(*) as times
        from helpline.knowledge_passages
        where server_id = $1 and document_id = d.id
        group by heading
    ) h
) p
where d.server_id = $1 and d.id = $2
