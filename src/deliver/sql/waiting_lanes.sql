-- Both sides are small: done jobs are deleted, and the outbox index holds pending rows only.
select distinct lanes.server_id as "server_id!", lanes.conversation_id as "conversation_id?"
from (
    select outbox.server_id, outbox.conversation_id
    from helpline.outbox
    join public.server_shards on server_shards.server_id = outbox.server_id
    where server_shards.shard_id = $1 and outbox.state = 'pending'
    union all
    select answer_jobs.server_id, answer_jobs.conversation_id
    from helpline.answer_jobs
    join public.server_shards on server_shards.server_id = answer_jobs.server_id
    where server_shards.shard_id = $1
) as lanes
