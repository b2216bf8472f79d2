-- Locks the document's index entry, so that two workers do not write its passages at once.
-- No row = somebody has indexed this very content, or the document is gone, since it was read.
insert into helpline.knowledge_indexed (document_id, server_id, content_hash)
select d.id, d.server_id, $3
from public.knowledge_documents as d
where d.server_id = $1 and d.id = $2
on conflict (document_id) do update
set content_hash = excluded.content_hash, indexed_at = now()
where knowledge_indexed.content_hash is distinct from excluded.content_hash
returning document_id
