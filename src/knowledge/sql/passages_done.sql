insert into helpline.knowledge_derived (server_id, passages_version, passages_from)
values ($1, $2, $3)
on conflict (server_id) do update
set passages_version = excluded.passages_version, passages_from = excluded.passages_from
