-- server_id prunes to one partition.
select id, channel_id, thread_id, user_id, transcript, status
from public.conversations
where server_id = $1 and id = $2
