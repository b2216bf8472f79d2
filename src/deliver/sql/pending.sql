select id, event_id, effect, part, request, created_at,
    extract(epoch from now() - attempted_at)::float8 as tried_ago_s
from helpline.outbox
where server_id = $1 and conversation_id is not distinct from $2 and state = 'pending'
order by id
limit 32
