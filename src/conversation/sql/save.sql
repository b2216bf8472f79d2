-- The thread of a conversation is set once, and taken back only by who noted it and could not start it:
-- StartThreadOnOriginal may have set it meanwhile.
-- $9: since when whoever asked is waited for, null when nobody is; $10: when that is looked at. A silence that goes on
-- keeps its warning.
with waiting as (
    insert into helpline.silences as known (server_id, conversation_id, since, look_at)
    select $1, $2, $9, $10 where $9::timestamptz is not null
    on conflict (server_id, conversation_id) do update
    set since = excluded.since, look_at = excluded.look_at, warned_at = null
    where known.since <> excluded.since
), heard as (
    delete from helpline.silences
    where server_id = $1 and conversation_id = $2 and $9::timestamptz is null
)
insert into public.conversations
    (server_id, id, channel_id, thread_id, user_id, username, transcript, status, completed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, case when $8 = 'completed' then now() end)
on conflict (server_id, id) do update
set thread_id = coalesce(conversations.thread_id, excluded.thread_id),
    transcript = excluded.transcript,
    status = excluded.status,
    completed_at = case when excluded.status = 'completed' then coalesce(conversations.completed_at, now()) end
