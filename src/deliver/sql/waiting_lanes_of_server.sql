select distinct lanes.conversation_id as "conversation_id?"
from (
    select conversation_id from helpline.outbox where server_id = $1 and state = 'pending'
    union all
    select conversation_id from helpline.answer_jobs where server_id = $1
) as lanes
