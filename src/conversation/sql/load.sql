-- server_id prunes to one partition.
-- Locked: a dashboard may resolve its ticket before the owner saves it, and the owner would write the old status back.
select c.id, c.channel_id, c.thread_id, c.user_id, c.transcript, c.status,
    d.conversation_id is not null as "direct!", d.staff_thread as "staff_thread?"
from public.conversations c
left join helpline.dm_conversations d on d.server_id = $1 and d.conversation_id = c.id
where c.server_id = $1 and c.id = $2
for no key update of c
