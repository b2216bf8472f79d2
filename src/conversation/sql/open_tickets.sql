-- server_id is said of every table: it prunes to one partition. A list has no room for more than twenty.
with open as (
    select id, conversation_id, assigned_to, forwarded_at, message_id
    from public.forwarded_tickets
    where server_id = $1 and status <> 'resolved'
    order by forwarded_at, id
    limit 20
)
select open.assigned_to, open.forwarded_at, open.message_id, c.user_id,
    coalesce(d.staff_thread, c.thread_id, c.channel_id) as "channel_id!",
    jsonb_path_query_first(c.transcript, '$[*] ? (@.role == "member" && @.asked == true).text') #>> '{}' as question,
    (select count(*) from public.forwarded_tickets t where t.server_id = $1 and t.status <> 'resolved') as "total!"
from open
join public.conversations c on c.server_id = $1 and c.id = open.conversation_id
left join helpline.dm_conversations d on d.server_id = $1 and d.conversation_id = c.id
order by open.forwarded_at, open.id
