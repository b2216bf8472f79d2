-- Declares a proxy dead. For silence only if its heartbeat ($2, as it was seen) has still not changed.
with gone as (
    delete from helpline.proxies
    where id = $1
        and ($2::bigint is null or (extract(epoch from last_heartbeat) * 1000000)::bigint = $2)
    returning id
)
select pg_notify('helpline_membership', gone.id::text)::text as notified
from gone
