insert into helpline.knowledge_derived (server_id, vectors_version, vectors_model)
values ($1, $2, $3)
on conflict (server_id) do update
set vectors_version = excluded.vectors_version, vectors_model = excluded.vectors_model
