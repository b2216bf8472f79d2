-- What operators look at. A row that another worker is writing is left for the next heartbeat,
-- so that two reports never wait for each other.
with reported as (
    select s.id, given.status
    from unnest($1::integer[], $2::text[]) as given (id, status)
    join public.shards s on s.id = given.id
    join helpline.shard_fences f on f.shard_id = s.id and f.owner = $3
    order by s.id
    for no key update of s skip locked
)
update public.shards s
set status = reported.status, last_heartbeat = now()
from reported
where s.id = reported.id
