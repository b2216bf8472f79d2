-- $7: the document is there, and keeps its title.
with changed as (
    update public.knowledge_documents set content = $4, file_type = $5
    where server_id = $1 and id = $2 and $7::boolean
    returning id
)
insert into public.knowledge_documents (server_id, id, title, content, file_type, created_by)
select $1, $2, $3, $4, $5, (select u.id from public.users u where u.discord_id = $6)
where not $7
