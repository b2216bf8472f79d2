-- server_id prunes to one partition; (server_id, thread_id) is unique.
select id, channel_id, thread_id, user_id, transcript, status
from public.conversations
where server_id = $1 and thread_id = $2
