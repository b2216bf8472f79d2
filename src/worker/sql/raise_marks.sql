insert into helpline.channel_marks as mark (server_id, channel_id, message_id)
select * from unnest($1::bigint[], $2::bigint[], $3::bigint[])
on conflict (server_id, channel_id) do update set message_id = excluded.message_id
where mark.message_id < excluded.message_id
