select workers.name, count(*) as "in_flight!"
from (
    select server_id, conversation_id from helpline.answer_jobs
    union
    select server_id, conversation_id from helpline.outbox where state = 'pending'
) as waiting
join public.server_shards using (server_id)
join helpline.shard_fences using (shard_id)
join helpline.workers on workers.id = shard_fences.owner
group by workers.name
order by 2 desc
