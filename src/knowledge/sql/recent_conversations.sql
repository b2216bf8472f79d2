select coalesce(c.thread_id, c.channel_id) as "channel!", c.transcript,
    array(
        select f.question_id from helpline.feedback f
        where f.server_id = $1 and f.conversation_id = c.id and not f.helpful
    ) as "unhelpful!"
from public.conversations c
where c.server_id = $1 and c.updated_at > now() - interval '31 days'
order by c.updated_at desc
limit 2000
