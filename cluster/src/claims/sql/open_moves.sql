-- A move that is not young takes its time for a reason of its own and keeps nobody else from moving.
select
    count(*) as "open!",
    count(*) filter (where created_at > clock_timestamp() - make_interval(secs => $1)) as "young!",
    coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as "oldest_seconds!"
from helpline.server_moves
where state <> 'done'
