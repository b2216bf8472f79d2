select id, event_id, effect, part, request, created_at
from helpline.outbox
where server_id = $1 and conversation_id is not distinct from $2 and state = 'pending'
order by id
limit 32
