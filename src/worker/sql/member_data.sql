-- All that a member has said in a server, newest conversation first, also where he spoke in those of others.
select id as "id!", channel_id as "channel!", thread_id as "thread?", status as "status!", created_at as "began_at!",
    user_id = $2 as "own!", transcript as "transcript!"
from public.conversations
where server_id = $1
    and (user_id = $2 or transcript @> jsonb_build_array(jsonb_build_object('role', 'member', 'user', $2)))
order by created_at desc
limit 2000
