-- Whoever waits longest comes first, as in waiting_lanes.sql.
select lanes.conversation_id as "conversation_id?", min(lanes.created_at) as "since!"
from (
    select conversation_id, created_at from helpline.outbox where server_id = $1 and state = 'pending'
    union all
    select conversation_id, created_at from helpline.answer_jobs where server_id = $1
) as lanes
group by lanes.conversation_id
order by "since!"
