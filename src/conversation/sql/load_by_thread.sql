-- Also by the thread in which staff see a conversation that is held in direct messages.
-- server_id prunes to one partition; (server_id, thread_id) is unique.
-- Locked: a dashboard may resolve its ticket before the owner saves it, and the owner would write the old status back.
select c.id, c.channel_id, c.thread_id, c.user_id, c.transcript, c.status,
    d.conversation_id is not null as "direct!", d.staff_thread as "staff_thread?"
from public.conversations c
left join helpline.dm_conversations d on d.server_id = $1 and d.conversation_id = c.id
where c.server_id = $1 and c.id = coalesce(
    (select t.id from public.conversations t where t.server_id = $1 and t.thread_id = $2),
    (select s.conversation_id from helpline.dm_conversations s where s.server_id = $1 and s.staff_thread = $2)
)
for no key update of c
