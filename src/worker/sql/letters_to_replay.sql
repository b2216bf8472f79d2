-- A server may have moved since: its letters are its present shard's.
select l.id, l.server_id, l.stream_id, l.kind, l.payload, l.origin, coalesce(l.received_at, l.created_at) as "at!"
from helpline.dead_letters l
where l.replay_requested_at is not null
    and (
        l.server_id is null and l.shard_id = $1
        or exists (select from public.server_shards p where p.server_id = l.server_id and p.shard_id = $1)
    )
order by l.id
limit 16
