-- The thread of a conversation is set once, and taken back only by who noted it and could not start it:
-- StartThreadOnOriginal may have set it meanwhile.
insert into public.conversations
    (server_id, id, channel_id, thread_id, user_id, username, transcript, status, completed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, case when $8 = 'completed' then now() end)
on conflict (server_id, id) do update
set thread_id = coalesce(conversations.thread_id, excluded.thread_id),
    transcript = excluded.transcript,
    status = excluded.status,
    completed_at = case when excluded.status = 'completed' then coalesce(conversations.completed_at, now()) end
