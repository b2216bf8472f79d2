-- A member wants to choose, and is answered where he said so.
insert into helpline.dm_desk as known (user_id, channel_id, event_id, lang, state, reply_to)
values ($1, $2, $3, $4, 'due', $5)
on conflict (user_id) do update
set channel_id = excluded.channel_id, event_id = excluded.event_id, lang = excluded.lang, state = 'due',
    reply_to = excluded.reply_to, at = now()
