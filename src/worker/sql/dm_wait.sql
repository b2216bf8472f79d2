-- Behind what waits of the member already, so much at the most. He is asked again when he was asked long ago; whoever was
-- told that there is no server is looked up again once he has used the bot in one.
with waits as (
    insert into helpline.dm_waiting (user_id, channel_id, origin, kind, received_at_ms, payload)
    select $1, $2, $3, $4, $5, $6
    where (select count(*) from helpline.dm_waiting w where w.user_id = $1) < $7
    on conflict (user_id, origin) do nothing
    returning id
), due as (
    insert into helpline.dm_desk as known (user_id, channel_id, event_id, lang, state)
    values ($1, $2, $8, $9, 'due')
    on conflict (user_id) do update
    set channel_id = excluded.channel_id, event_id = excluded.event_id, lang = excluded.lang, state = 'due',
        reply_to = null, at = now()
    where known.state = 'chosen'
        or (known.state <> 'due' and known.at < now() - interval '10 minutes')
        or (
            known.state = 'told'
            and exists (select from helpline.dm_members m where m.user_id = $1 and m.seen_at > known.at)
        )
    returning user_id
)
select (select count(*) from waits) as "waits!", (select count(*) from due) as "due!"
