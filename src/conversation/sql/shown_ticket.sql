-- server_id is said of both tables: it prunes to one partition.
select t.status as ticket_status, t.assigned_to, t.resolved_at, t.resolution_notes, t.message_id,
    c.id, c.channel_id, c.thread_id, c.user_id, c.username, c.transcript, c.status,
    d.conversation_id is not null as "direct!", d.staff_thread as "staff_thread?"
from public.forwarded_tickets t
join public.conversations c on c.server_id = t.server_id and c.id = t.conversation_id
left join helpline.dm_conversations d on d.server_id = $1 and d.conversation_id = c.id
where t.server_id = $1 and c.server_id = $1 and t.id = $2
