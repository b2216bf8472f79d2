-- server_id prunes to one partition.
-- Locked: a dashboard may resolve its ticket before the owner saves it, and the owner would write the old status back.
select id, channel_id, thread_id, user_id, transcript, status
from public.conversations
where server_id = $1 and id = $2
for no key update
