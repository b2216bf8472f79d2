-- An edit or a deletion, behind the message that it is about.
insert into helpline.dm_waiting (user_id, channel_id, origin, kind, received_at_ms, payload)
select $1, $2, $3, $4, $5, $6
where exists (select from helpline.dm_waiting w where w.user_id = $1)
    and (select count(*) from helpline.dm_waiting w where w.user_id = $1) < $7
on conflict (user_id, origin) do nothing
