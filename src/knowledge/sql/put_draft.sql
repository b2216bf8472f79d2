insert into helpline.knowledge_drafts
    (server_id, id, title, content, file_type, filename, file, added_by, gap_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (server_id, id) do nothing
