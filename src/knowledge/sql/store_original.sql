insert into helpline.knowledge_originals (server_id, document_id, added_by, filename, content_hash, file)
values ($1, $2, $3, $4, $5, $6)
on conflict (server_id, document_id) do update
set added_by = excluded.added_by, filename = excluded.filename, content_hash = excluded.content_hash,
    file = excluded.file, added_at = now()
