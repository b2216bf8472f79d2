-- Whoever waits longest comes first: in any other order that is always the same, the last ones would wait for ever while
-- owners end one after the other.
-- Both sides are small: done jobs are deleted, and the outbox index holds pending rows only.
select lanes.server_id as "server_id!", lanes.conversation_id as "conversation_id?",
    min(lanes.created_at) as "since!"
from (
    select outbox.server_id, outbox.conversation_id, outbox.created_at
    from helpline.outbox
    join public.server_shards on server_shards.server_id = outbox.server_id
    where server_shards.shard_id = $1 and outbox.state = 'pending'
    union all
    select answer_jobs.server_id, answer_jobs.conversation_id, answer_jobs.created_at
    from helpline.answer_jobs
    join public.server_shards on server_shards.server_id = answer_jobs.server_id
    where server_shards.shard_id = $1
) as lanes
group by lanes.server_id, lanes.conversation_id
order by "since!"
