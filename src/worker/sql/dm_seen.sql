-- Who used the bot where; noted anew once a day at most.
insert into helpline.dm_members as known (user_id, server_id)
select seen.user_id, seen.server_id
from unnest($1::bigint[], $2::bigint[]) as seen (user_id, server_id)
order by 1, 2
on conflict (user_id, server_id) do update set seen_at = now()
where known.seen_at < now() - interval '1 day'
