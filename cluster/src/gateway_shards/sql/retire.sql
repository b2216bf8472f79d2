with gone as (
    delete from helpline.gateway_shards
    where total = $1 and id = $2 and owner = $3 and epoch = $4 and phase = 'closing'
    returning id
)
select pg_notify('helpline_membership', '')::text as notified from gone
