-- Declares a worker dead. $2 = because of its silence, which is looked at once more here.
with gone as (
    delete from helpline.workers
    where id = $1
        and (not $2 or last_heartbeat < clock_timestamp() - make_interval(secs => $3))
    returning id
)
select pg_notify('helpline_membership', gone.id::text)::text as notified
from gone
