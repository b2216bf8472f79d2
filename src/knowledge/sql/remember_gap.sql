insert into helpline.knowledge_gaps (server_id, id, title, questions)
values ($1, $2, $3, $4)
on conflict (server_id, id) do update
set title = excluded.title, questions = excluded.questions, shown_at = now()
where knowledge_gaps.document_id is null
